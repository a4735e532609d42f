"""``make_site``: pages from templates behind the guard; ``rendered``: what templates become."""

from __future__ import annotations

import functools
import logging
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from llmrec_env.common.errors import LLMRecError
from llmrec_env.common.templates import templates_in
from llmrec_env.web.guard import LOOPBACK, Guard

TEMPLATES = Path(__file__).parent / "templates"
STYLE = TEMPLATES / "style.css"
log = logging.getLogger(__name__)


def make_site(routes: Sequence[BaseRoute], hosts: Collection[str] | None = LOOPBACK) -> Starlette:
    """An application with these pages, the style sheet, and pages for what goes wrong.

    Args:
        routes: the pages.
        hosts: names by which the site may be called, as :class:`Guard` takes them.
    """

    async def style(request: Request) -> Response:
        return FileResponse(STYLE, media_type="text/css")

    return Starlette(
        routes=[*routes, Route("/style.css", style)],
        middleware=[Middleware(Guard, hosts=hosts)],
        exception_handlers={HTTPException: _refused, LLMRecError: _failed},
    )


def rendered(template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A page made of a template, in which every value is escaped.

    Args:
        template: the name of a file of :data:`TEMPLATES`.
        status: of the response.
        values: what it shows; one that is missing is an error.
    """
    return HTMLResponse(_templates().get_template(template).render(**values), status)


def go_to(path: str) -> RedirectResponse:
    """Lead the browser on after a form, so that reloading the page sends nothing twice."""
    return RedirectResponse(path, 303)


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form that was sent, by name; files are not taken."""
    async with request.form(max_files=0, max_fields=20) as form:
        return {name: value for name, value in form.items() if isinstance(value, str)}


@functools.lru_cache(maxsize=1)
def _templates() -> Any:
    return templates_in(TEMPLATES, "serve", {"dollars": lambda price: f"${price:,.2f}"})


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return rendered(
        "message.html.j2", error.status_code, title="Nothing here", text=str(error.detail)
    )


def _failed(request: Request, error: Exception) -> Response:
    log.error("%s %s: %s", request.method, request.url.path, error)
    return rendered("message.html.j2", 500, title="That did not work", text=str(error))
