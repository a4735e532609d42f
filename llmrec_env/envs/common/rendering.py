"""Prints text to a terminal, after removing control characters that a dataset may contain."""

from __future__ import annotations

import re
import sys
import unicodedata

MODES = ("human", "ansi")
WIDTH = 100
TITLE_WIDTH = 40
ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[@-Z\\-_])")
"""ANSI sequences: colours and cursor moves, window titles, two-character commands."""


def clean(text: str, width: int = TITLE_WIDTH) -> str:
    """Text of a catalogue, harmless in a terminal: one line, no control or formatting characters.

    Nothing here reads console markup, so square brackets stay as they are.
    """
    if not text.isprintable():  # most texts are, and have no space but the plain one
        spaced = re.sub(r"\s", " ", ESCAPES.sub("", text))
        text = "".join(c for c in spaced if unicodedata.category(c)[0] != "C")
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"


def show(text: str) -> None:
    """Print text; characters that the terminal's encoding lacks become question marks."""
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "replace").decode(encoding), flush=True)
