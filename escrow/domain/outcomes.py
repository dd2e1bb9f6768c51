"""How deals end: the contract's outcome codes. Standard library only."""

OPEN, DELIVERED, SLASHED, REFUNDED, MUTUAL, RULED, TIMED_OUT = range(7)
# These end the deal as a whole, whatever became of its tranches.
OF_THE_WHOLE = frozenset({REFUNDED, MUTUAL, RULED, TIMED_OUT})
