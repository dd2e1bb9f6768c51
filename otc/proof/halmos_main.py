"""halmos, run by its own Python, with what its queries were made of kept alive.

What halmos remembers of a query without a solution (`--cache-solver`) it remembers by the numbers that z3 gave to its assertions, and
z3 may give a number again once nothing holds the assertion: another query could then be taken for one that has no solution.
"""

import sys

from halmos import sevm
from halmos.__main__ import main

kept: list[list[object]] = []
to_smt2 = sevm.Path.to_smt2


def keeping(path: sevm.Path, args: object) -> sevm.SMTQuery:
    kept.append(list(path.conditions))
    return to_smt2(path, args)


sevm.Path.to_smt2 = keeping
sys.exit(main())
