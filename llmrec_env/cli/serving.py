"""Options of the commands that serve pages, and the check that their extra is installed."""

from __future__ import annotations

from typing import Annotated

import typer

from llmrec_env.cli import options
from llmrec_env.common.extras import require

Host = Annotated[
    str,
    typer.Option(
        help="Address to listen at: 127.0.0.1, this machine alone; 0.0.0.0, everybody who reaches "
        "it, without a password."
    ),
]
Port = Annotated[int, options.number("Port to listen at; 0 takes a free one.", least=0, most=65535)]
MODULES = ("starlette", "uvicorn", "jinja2", "python_multipart")
"""What the extra ``serve`` brings."""


def require_pages() -> None:
    """Refuse to begin without the extra.

    Raises:
        MissingExtraError: it is not installed.
    """
    for module in MODULES:
        require(module, "serve")
