"""TCP ports of this machine, loopback only."""

import errno
import socket

from otc.stack.errors import StackError

LAST = 65535


def is_free(port: int) -> bool:
    """True when a server could listen on `port` of 127.0.0.1 now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno == errno.EACCES:
                raise StackError(f"Port {port} needs the rights of root: choose one above 1023.") from error
            return False
    return True


def any_free() -> int:
    """Some free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def next_free(port: int, tries: int = 100) -> int:
    """`port`, or the first free one after it; StackError when there is none near."""
    for candidate in range(port, min(port + tries, LAST + 1)):
        if is_free(candidate):
            return candidate
    raise StackError(f"No port from {port} to {port + tries} is free: name one with --port.")
