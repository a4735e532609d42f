"""Cuts the lines of a page to a budget of tokens: long texts first, then the least of the choices.

Works on whatever a text is made of, token ids or pieces of text, as long as a line is a list.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")
Pieces = Callable[[str], list[str]]
"""Splits a text into pieces, one a token, that together are the text again."""
PIECE = re.compile(r"\s?(?:[^\W\d_]{1,4}|\d|_|[^\w\s])|\s")


def pieces_of(text: str) -> list[str]:
    """A text in pieces of four letters at most, digits and signs one by one.

    There are about as many as tokens of a usual tokenizer, more often more of them than fewer.
    """
    return PIECE.findall(text)


def fitted(lines: Sequence[list[T]], worth: Sequence[Any], room: int) -> list[list[T]]:
    """The lines, cut until they take no more than ``room``.

    The longest plain lines are cut first, all to the same length; where that is not enough,
    choices go, those of least worth first.

    Args:
        lines: each a list of tokens; the last token of a line ends it and is kept.
        worth: of each line, None where it is plain text, else what the choice is worth, to be
            compared with others.
        room: tokens of all lines at most.
    """
    if sum(map(len, lines)) <= room:
        return list(lines)
    kept = list(lines)
    plain = [own is None for own in worth]
    room -= sum(len(line) for line, text in zip(lines, plain, strict=True) if not text)
    for place in sorted((p for p, text in enumerate(plain) if not text), key=worth.__getitem__):
        if room >= 0:
            break
        room += len(kept[place])
        kept[place] = []
    limit = _water_level(
        [len(n) for n, text in zip(kept, plain, strict=True) if text], max(0, room)
    )
    return [_cut(n, limit) if text else n for n, text in zip(kept, plain, strict=True)]


def shortened(tokens: list[T], limit: int) -> list[T]:
    """At most ``limit`` tokens: the first half and the last."""
    if len(tokens) <= limit:
        return tokens
    tail = limit // 2
    return tokens[: limit - tail] + tokens[len(tokens) - tail :]


def _water_level(lengths: list[int], room: int) -> int:
    """The largest length such that all lines cut to it take no more than ``room``."""
    left = len(lengths)
    for length in sorted(lengths):
        if length * left > room:
            return room // left
        room -= length
        left -= 1
    return max(lengths, default=0)


def _cut(line: list[T], limit: int) -> list[T]:
    """The beginning of a line and its last token, which ends it."""
    if len(line) <= limit:
        return line
    return [*line[: limit - 1], line[-1]] if limit > 1 else []
