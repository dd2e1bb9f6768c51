"""`python -m tests.support.planted_chaos`: seeds on a stack with a planted bug, in which the keeper is killed between signing and storing.

Prints the violations that the checks found, as JSON, and ends with 0 whether there are any or not. FORELOCK_VAR says where the stack lives.
"""

import json
import os
import sys

import django

from otc.stack import environment
from otc.stack.layout import Layout

layout = Layout.of("chaos")
environment.complete(os.environ, environment.embedded(layout), override=True)
django.setup()

from otc.chaos import run  # noqa: E402 - models
from otc.chaos.faults import Faults  # noqa: E402 - as above
from otc.chaos.stage import Stage  # noqa: E402 - as above
from otc.core import failpoints  # noqa: E402 - as above

healed = Faults.heal


def kill_after_signing(self):
    """No other fault: the next transaction is signed by a process that dies then."""
    failpoints.arm(self.stage.failpoints, "keeper.signed")


def heal(self):
    """All is well again but for this."""
    healed(self)
    kill_after_signing(self)


if __name__ == "__main__":
    Faults.inject, Faults.heal = kill_after_signing, heal
    run.DRAIN_SECONDS = 15.0  # a signer that halted does not come back
    external = {"DJANGO_SETTINGS_MODULE": sys.argv[1]}
    with Stage(layout, say=sys.stderr.write, external=external) as stage:
        json.dump(run.play(stage, 1).violations, sys.stdout)
