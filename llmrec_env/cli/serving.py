"""Options of the commands that serve pages, and the check that their extra is installed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from llmrec_env.cli import options
from llmrec_env.common.errors import LLMRecError
from llmrec_env.common.extras import require
from llmrec_env.common.run_folder import RUN, RunFolder

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


@contextlib.contextmanager
def kept_in(
    out: Path, kind: str, settings: Mapping[str, Any], contents: Mapping[str, str] | None = None
) -> Iterator[RunFolder]:
    """A folder for what people do, locked until the block ends.

    Where an error comes before anything is kept, the folder is free again: whoever mends the
    settings that the error names would else be refused for having others.

    Args:
        out: the folder; kind, settings, contents: as :meth:`RunFolder.claim` takes them.

    Raises:
        SettingError: it holds something else, or another process is at work in it.
        FileError: it cannot be written.
    """
    with RunFolder.claim(out, kind, settings, contents=contents) as folder:
        try:
            yield folder
        except LLMRecError:
            if all(
                entry.name.startswith(".") or entry.name == RUN for entry in folder.path.iterdir()
            ):
                (folder.path / RUN).unlink()
            raise
