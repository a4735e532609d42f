"""Parses an instruction into the options and limits that it names, and the rest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from llmrec_env.envs.shop.goals import NO_LIMIT

PRICE = re.compile(r",? and price lower than [\d.]+ dollars$")
OPTIONS = re.compile(r" with (?:(?! with )[^,:])+: .*$")
PAIRS = re.compile(r"(?:^ with |, and )([^,:]+): ")
UPPER = re.compile(r"(?:lower than|at most|over|dollars and|and) \$?(\d+(?:\.\d+)?) dollars")
LOWER = re.compile(r"(?:between|below|cost) (\d+)")
STARS = re.compile(r"(\d(?:\.\d)?) stars")


@dataclass(frozen=True)
class ParsedInstruction:
    """An instruction, read by anybody who knows how instructions are written.

    Attributes:
        base: the text without options and price.
        options: values by option name, where they are named; people and paraphrases do not.
        price_upper, price_lower: dollars; NO_LIMIT and 0 where nothing is said.
        rating_lower: stars; 0 where nothing is said.
    """

    base: str
    options: dict[str, str]
    price_upper: float
    price_lower: float
    rating_lower: float


@lru_cache(maxsize=4096)
def parse_instruction(instruction: str) -> ParsedInstruction:
    """What an instruction says."""
    base, options = _split_options(PRICE.sub("", instruction))
    uppers, lowers, stars = (form.findall(instruction) for form in (UPPER, LOWER, STARS))
    return ParsedInstruction(
        base=base,
        options=options,
        price_upper=float(uppers[-1]) if uppers else NO_LIMIT,
        price_lower=float(lowers[-1]) if lowers else 0.0,
        rating_lower=float(stars[-1]) if stars else 0.0,
    )


def _split_options(text: str) -> tuple[str, dict[str, str]]:
    """The text without `` with a: x, and b: y``, and these as names and values."""
    part = OPTIONS.search(text)
    if part is None:
        return text, {}
    _, *pairs = PAIRS.split(part[0])
    options = dict(zip(pairs[::2], pairs[1::2], strict=True))
    return text[: part.start()] + text[part.end() :], options
