"""``Visits``: who is on a site, told apart by a cookie; the oldest go when there are many."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, TypeVar

from starlette.requests import Request
from starlette.responses import Response

T = TypeVar("T")
MOST_VISITS = 256
"""Visits that are kept."""


class Visits(Generic[T]):
    """What each visitor is doing.

    Args:
        name: of the cookie; the site's port is added, because browsers do not tell ports apart.
        most: visits that are kept; the one that was quiet longest goes first.
    """

    def __init__(self, name: str, most: int = MOST_VISITS) -> None:
        self._name = name
        self._most = most
        self._visits: OrderedDict[str, T] = OrderedDict()

    def items(self) -> Iterator[tuple[str, T]]:
        """The secrets of the cookies with what their owners do, quietest first."""
        yield from self._visits.items()

    def of(self, request: Request) -> T | None:
        """What whoever sends this request is doing; None for a stranger."""
        token = request.cookies.get(self._cookie(request), "")
        if token not in self._visits:
            return None
        self._visits.move_to_end(token)
        return self._visits[token]

    def put(self, token: str, visit: T) -> None:
        """Keep a visit under the secret of a cookie."""
        self._visits[token] = visit
        self._visits.move_to_end(token)
        while len(self._visits) > self._most:
            self._visits.popitem(last=False)

    def begin(self, request: Request, response: Response, visit: T) -> None:
        """Begin a visit in the place of what the sender did before, and tell the browser."""
        name = self._cookie(request)
        token = request.cookies.get(name, "")
        if token not in self._visits:  # never one that somebody else chose
            token = secrets.token_urlsafe(24)
        self.put(token, visit)
        response.set_cookie(name, token, httponly=True, samesite="strict")

    def _cookie(self, request: Request) -> str:
        return f"{self._name}_{request.url.port or 80}"
