"""What a local site refuses and promises: same-origin forms, known hosts, headers for browsers.

A site on one's own machine can be reached by any page that the same browser has open. So a request
that changes something must come from a page of the site itself, and a name that somebody else's
server gives to this machine (DNS rebinding) is no name of the site.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = frozenset(("127.0.0.1", "localhost", "::1"))
"""Names of this machine that nothing outside it can reach."""
READING = frozenset(("GET", "HEAD"))
"""Requests that change nothing."""
LARGEST_FORM = 64 * 1024
"""Bytes of a request at most; a form of these pages has some hundred."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # no-referrer would make browsers send the origin "null"
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """Stands before a site: refuses strangers' requests, and adds :data:`HEADERS` to every answer.

    Args:
        app: the site.
        hosts: names by which it may be called; None for any, where it listens to others on purpose.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] | None = LOOPBACK) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refusal = self._refusal(scope["method"], Headers(scope=scope))
        app: ASGIApp = self._app if refusal is None else refusal
        await app(scope, receive, send_guarded)

    def _refusal(self, method: str, headers: Headers) -> PlainTextResponse | None:
        host = headers.get("host", "")
        name = _name(host)
        if name is None or (self._hosts is not None and name not in self._hosts):
            return PlainTextResponse("this site goes by another name", 421)
        if method in READING:
            return None
        if not _same_origin(headers, host):
            return PlainTextResponse("forms of other sites are not taken", 403)
        length = headers.get("content-length", "")
        if not length.isdecimal() or int(length) > LARGEST_FORM:
            return PlainTextResponse("no form of these pages is so large", 413)
        return None


def _name(host: str) -> str | None:
    """The name in a Host header, without the port; None where it is none."""
    try:
        parts = urlsplit(f"//{host}")
        return parts.hostname if parts.port != 0 else None  # reading the port checks it
    except ValueError:
        return None


def _same_origin(headers: Headers, host: str) -> bool:
    """Whether a browser says that a page of this very site sent the request."""
    fetched = headers.get("sec-fetch-site")
    if fetched is not None:
        return fetched == "same-origin"
    return headers.get("origin", "") in (f"http://{host}", f"https://{host}")
