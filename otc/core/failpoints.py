"""Named lines at which a process may be made to die, as `kill -9` would: for chaos runs and for tests of what survives.

Nothing happens unless the environment variable FORELOCK_FAILPOINTS names a folder. In that folder each name has two files:
`<name>.reached` grows by one byte each time any process comes by, and `<name>.armed`, while it exists, says at which size of the
other the process dies there. Who dies takes the arming with it: one arming is one death, however many processes there are.
"""

import os
import signal
from contextlib import suppress
from pathlib import Path

VARIABLE = "FORELOCK_FAILPOINTS"
_FOLDER = os.environ.get(VARIABLE, "")

# Every failpoint of the code, and between which two things it lies.
NAMES = {
    "watcher.read": "blocks were read from a node, nothing is written",
    "watcher.staging": "inside the transaction that adds history to staging, nothing is committed",
    "watcher.staged": "history is staged, nothing of it is folded",
    "watcher.stored": "inside the step's transaction: headers and logs are written, nothing is folded",
    "projector.transfers": "inside it: transfers are written, deals and markets are not",
    "watcher.folded": "inside it: everything is folded, the outbox and the cursor are not written",
    "watcher.written": "inside it: everything is written, nothing is committed",
    "watcher.committed": "a step is committed, nobody has been told",
    "watcher.taken_back": "inside the transaction of a rewind: events are taken back, nothing is committed",
    "watcher.rewound": "a rewind is committed",
    "watcher.halting": "inside the transaction of a halt",
    "keeper.planned": "intents of one market are written, others may be due",
    "keeper.signed": "a transaction is signed, nothing is stored",
    "keeper.stored": "inside the transaction that reserves the nonce and stores the bytes",
    "keeper.committed": "the bytes are stored, no node has them",
    "keeper.sent": "a node has the bytes, its answer is not written",
    "keeper.recorded": "the node's answer is written",
    "keeper.replaced": "a replacement is stored, no node has it",
    "keeper.looked": "receipts were read, nothing is written",
    "keeper.confirming": "inside the transaction that writes what receipts say",
    "keeper.confirmed": "what receipts say is committed",
}


def reach(name: str) -> None:
    """Marks a line. Dies here (SIGKILL to this process) when `name` is armed and this is the arming's time."""
    if _FOLDER:
        _reach(Path(_FOLDER), name)


def arm(folder: Path, name: str, *, times: int = 1) -> None:
    """The process that comes to `name` as the `times`-th from now dies there. ValueError for an unknown name."""
    if name not in NAMES:
        raise ValueError(f"There is no failpoint {name!r}.")
    partial = folder / f"{name}.arming"
    partial.write_text(str(reached(folder, name) + times), encoding="ascii")
    partial.replace(folder / f"{name}.armed")


def disarm(folder: Path) -> list[str]:
    """Takes back every arming that killed nobody; their names."""
    left = sorted(folder.glob("*.armed"))
    for path in left:
        path.unlink(missing_ok=True)
    return [path.stem for path in left]


def reached(folder: Path, name: str) -> int:
    """How often any process came to `name`."""
    path = folder / f"{name}.reached"
    return path.stat().st_size if path.exists() else 0


def _reach(folder: Path, name: str) -> None:
    if name not in NAMES:
        raise ValueError(f"There is no failpoint {name!r}.")
    out = os.open(folder / f"{name}.reached", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(out, b".")
        count = os.lseek(out, 0, os.SEEK_CUR)  # after an append: where this byte ended, whoever else writes
    finally:
        os.close(out)
    armed = folder / f"{name}.armed"
    # Of two that come by at once, only the one that removes the file dies.
    with suppress(FileNotFoundError):
        if count >= int(armed.read_text(encoding="ascii")):
            armed.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
