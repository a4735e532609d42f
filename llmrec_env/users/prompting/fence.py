"""The fence around item texts: what an item says of itself stays data for the model that judges."""

from __future__ import annotations

import html
import re

OPEN, CLOSE = "<item>", "</item>"
TURNS = re.compile(r"\[(/?\w+)\]")
"""Words in brackets, by which some chat templates part turns (``[INST]``); those in pointed
brackets (``</s>``, ``<|im_end|>``) go with every ``<``."""


def fenced(text: str, length: int) -> str:
    """A text between :data:`OPEN` and :data:`CLOSE`, in one line, which it cannot leave.

    Args:
        text: what is written about an item, by whomever.
        length: characters of it that are kept, at most.
    """
    line = " ".join(text.split())
    kept = line if len(line) <= length else f"{line[:length]}…"
    return f"{OPEN}{escaped(kept)}{CLOSE}"


def escaped(text: str) -> str:
    """A text without ``<``, ``>`` and bracketed words; ``html.unescape`` gives it back."""
    return TURNS.sub(r"&#91;\1&#93;", html.escape(text, quote=False))
