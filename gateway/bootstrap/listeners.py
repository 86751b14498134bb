"""The listening sockets of a site: the workers' TCP ports, and names in the file system.

Each worker has a socket of its own on the same port (SO_REUSEPORT), so the kernel spreads the
connections and no worker waits for another. Whoever made the sockets keeps them open: what
arrives while a worker is being started again waits in its queue instead of being refused.
Portal and supervisor listen on unix sockets in the site's folder, for those on this machine.
"""

import errno
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from gateway.bootstrap.process import ProcessFailed, log

_PRIVILEGED = 1024
# sun_path of unix(7) has 108 bytes, the last of them zero.
_LONGEST_PATH = 107


def open_listeners(address: str, port: int, count: int) -> list[socket.socket]:
    """Return *count* TCP sockets bound to *port* of *address*, not yet listening.

    Port 0 takes a free one, the same for all. None is inherited unless it is passed on.
    Raises `ProcessFailed`, which names the port and the way out.
    """
    with ExitStack() as opened:
        # SO_REUSEPORT alone would let two sites of one user share a port in silence, each
        # getting some of the connections. This socket does without, so it meets who is there.
        first = opened.enter_context(_bound(address, port, shared=False))
        taken: int = first.getsockname()[1]
    with ExitStack() as opened:
        sockets = [opened.enter_context(_bound(address, taken, shared=True)) for _ in range(count)]
        opened.pop_all()
    return sockets


def _bound(address: str, port: int, *, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with ExitStack() as opened:
        made = opened.enter_context(socket.socket(family, socket.SOCK_STREAM))
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family is socket.AF_INET6:
            # `::` is meant as "every address of this machine", the old ones included.
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        made.setblocking(False)
        try:
            made.bind((address.strip("[]"), port))
        except OSError as error:
            raise ProcessFailed(_explain(error, address, port)) from error
        opened.pop_all()
    return made


def _explain(error: OSError, address: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} on {address} is in use by another program: end that one "
            f"(ss -ltnp 'sport = :{port}' shows it), or choose another port"
        )
    if error.errno == errno.EACCES and port < _PRIVILEGED:
        return (
            f"port {port} is for root and for those with CAP_NET_BIND_SERVICE, which the units "
            "in deploy/ give to the edge; or choose a port from 1024 up"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{address} is not an address of this machine: correct address under [listen]"
    return f"port {port} on {address} cannot be opened: {error.strerror}"


@contextmanager
def unix_listener(path: Path, mode: int, whose: str) -> Iterator[socket.socket]:
    """Bind the unix socket *path* with *mode* and take its name away at the end.

    What a crashed process left there is removed; where somebody listens, `ProcessFailed` that
    says *whose* it is.
    """
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise ProcessFailed(
            f"{path} is too long for a socket (at most {_LONGEST_PATH} bytes): "
            "give the site a folder with a shorter path"
        )
    _remove_stale(path, whose)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        before = os.umask(0o777 & ~mode)
        try:
            # The umask keeps others out from the first moment, chmod says the rest.
            listener.bind(str(path))
            path.chmod(mode)
        except OSError as error:
            raise ProcessFailed(f"{path} cannot be made: {error.strerror}") from error
        finally:
            os.umask(before)
        listener.setblocking(False)
        try:
            yield listener
        finally:
            path.unlink(missing_ok=True)


def _remove_stale(path: Path, whose: str) -> None:
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ProcessFailed(f"{path} is in the way and is no socket: look at it, and remove it")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.connect(str(path))
    except FileNotFoundError:
        return
    except ConnectionRefusedError:
        log.info("removing %s, on which nobody listens any more", path)
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ProcessFailed(f"{path} cannot be looked at: {error.strerror}") from error
    else:
        raise ProcessFailed(f"another {whose} listens on {path}: end that one first")
