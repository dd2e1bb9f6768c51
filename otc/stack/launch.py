"""Becomes another program, tied to the life of the process that started it.

Run as a file, `python -I -S launch.py --parent PID --signal N [--user NAME] -- COMMAND...`, with the standard library alone:
- the kernel sends signal N to the program when its parent dies (Linux; elsewhere nothing), so that no service outlives `up`;
- with --user it drops root for that user first. PostgreSQL refuses to run as root, but the project may lie in a folder that only
  root can enter: where the kernel allows it, the program keeps the one capability to pass through such folders.
"""

import argparse
import ctypes
import os
import pwd
import sys

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_SET_SECUREBITS = 28
SECBIT_NO_SETUID_FIXUP = 1 << 2
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522


def _keep_folder_access(libc: ctypes.CDLL) -> None:
    """Narrows the capabilities to CAP_DAC_OVERRIDE and carries it over exec."""
    bit = 1 << CAP_DAC_OVERRIDE
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    # Two words each of effective, permitted, inheritable; the second three are the capabilities above 31.
    data = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
    if libc.capset(header, data) != 0:
        # A container without that capability: then with none at all.
        none = (ctypes.c_uint32 * 6)()
        if libc.capset(header, none) != 0:
            raise SystemExit("The rights of root could not be given up.")
        return
    libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)


def _drop_root(user: str, libc: ctypes.CDLL | None) -> None:
    entry = pwd.getpwnam(user)
    if libc is not None:
        # Without this bit access(2), with which initdb looks at its programs, judges by the user alone.
        libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
        libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    if libc is not None:
        _keep_folder_access(libc)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--signal", type=int, required=True)
    parser.add_argument("--user", default="")
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if arguments.user:
        _drop_root(arguments.user, libc)
    if libc is not None:
        # After the change of user, which clears it.
        libc.prctl(PR_SET_PDEATHSIG, arguments.signal, 0, 0, 0)
    if os.getppid() != arguments.parent:
        raise SystemExit("The starting process is gone.")
    os.execvp(arguments.command[0], arguments.command)  # noqa: S606  # becoming the command is the point


if __name__ == "__main__":
    main()
