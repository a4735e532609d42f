"""``templates_in``: templates of pages, in which every value is escaped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from llmrec_env.common.extras import require


def templates_in(folder: Path, extra: str, filters: Mapping[str, Callable[..., str]]) -> Any:
    """The jinja2 environment of a folder: every value is escaped, and a missing one is an error.

    Args:
        folder: of the templates.
        extra: of this package, that brings jinja2.
        filters: what templates call to put a value into words, by name.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    jinja2 = require("jinja2", extra)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= filters
    return environment
