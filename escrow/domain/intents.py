"""What can become of an intent. The database refuses every other step (a trigger on `escrow.Intent`)."""

PLANNED, SENT, MINED, DONE, MOOT, FAILED = "planned", "sent", "mined", "done", "moot", "failed"
STATES = (PLANNED, SENT, MINED, DONE, MOOT, FAILED)

TRANSITIONS: tuple[tuple[str, str], ...] = (
    (PLANNED, SENT),
    (PLANNED, MOOT),  # the chain has nothing to do
    (PLANNED, FAILED),  # the contract refuses for a reason that time does not explain
    (SENT, MINED),
    (SENT, DONE),  # mined, and final when first looked at
    (SENT, PLANNED),  # reverted, or its nonce went to another transaction
    (SENT, FAILED),  # reverted too often
    (MINED, SENT),  # a reorg took the block back
    (MINED, DONE),
    (MINED, PLANNED),  # after a reorg it reverted
    (MINED, FAILED),
    (DONE, PLANNED),  # a delivery that went in part, as the whole had reverted: the rest follows
    (DONE, MOOT),  # its chain is read anew, for it changed below what was final: what was done there may be undone
    (MOOT, PLANNED),  # the facts that made it moot are gone, or another made it due again
    (FAILED, PLANNED),  # a person says so
)
