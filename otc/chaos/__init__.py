"""The real stack under random faults: what may die, lie or lag does, and afterwards every invariant is checked.

One seed is one small market day on a chain of its own. `run` plays it, `trading` acts for the people on the chain, `faults` breaks
things, `proxy` stands between the workers and the node, `checks` judges what is left when all has healed.
"""
