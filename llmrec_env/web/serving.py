"""``serve``: lets a site listen on a port of this machine until it is stopped; ``served``: while a
block lasts."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
from collections.abc import Collection, Iterator

import uvicorn
from starlette.types import ASGIApp

from llmrec_env.common.errors import SettingError
from llmrec_env.web.guard import LOOPBACK


def hosts_of(host: str) -> Collection[str] | None:
    """The names by which a site that listens at ``host`` may be called; None for any."""
    return LOOPBACK if host in LOOPBACK else None


def listen(host: str, port: int) -> socket.socket:
    """A socket that is bound before any long work begins.

    Args:
        host: the address; 127.0.0.1 is reached from this machine alone.
        port: 0 takes one that is free.

    Raises:
        SettingError: the port is taken or not for everybody, or there is no such address here.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, socket.SOCK_STREAM)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            bound.listen()  # a port that is bound and not listened to can be bound twice
        except OSError:
            bound.close()
            raise
    except OSError as error:
        raise SettingError(_why_not(error, host, port)) from None
    return bound


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"--port {port} is taken by another program; name another one, or 0 for a free one"
    if error.errno == errno.EACCES:
        return f"--port {port} is not for everybody; name one above 1023, or 0 for a free one"
    return f"--host {host}: this machine has no such address ({error.strerror or error})"


def address_of(bound: socket.socket) -> str:
    """What to type into a browser."""
    host, port = bound.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def serve(site: ASGIApp, bound: socket.socket) -> None:
    """Serve a site until the process is told to stop, by Ctrl-C or SIGTERM.

    Args:
        site: an application.
        bound: made by :func:`listen`.
    """
    _server(site).run(sockets=[bound])


@contextlib.contextmanager
def served(site: ASGIApp) -> Iterator[str]:
    """The address of a site that a thread serves on a free port of this machine, in the block."""
    with listen("127.0.0.1", 0) as bound:
        server = _server(site)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        try:
            yield address_of(bound)
        finally:
            server.should_exit = True
            thread.join()


def _server(site: ASGIApp) -> uvicorn.Server:
    config = uvicorn.Config(
        site,
        log_level="warning",
        server_header=False,
        lifespan="off",
        ws_per_message_deflate=False,  # takes longer than a step of a session behind a socket
    )
    return uvicorn.Server(config)
