"""What an agent in index mode sees as arrays of fixed size: the page, and each place of the slate.

Words are seen by how they match the instruction and as frozen hashed embeddings: what is learned
of them holds for products that were never met.
"""

from __future__ import annotations

import re
import zlib
from functools import lru_cache

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from llmrec_env.shop.goals import NO_LIMIT
from llmrec_env.shop.pages import PAGE_SIZE, Kind, Page
from llmrec_env.shop.shopper import Shopper
from llmrec_env.shop.words import spaced, words_of

FloatArray = NDArray[np.float32]
EMBEDDING = 32
"""Dimensions of the hashed embedding of a text."""
MOVES = ("search", "index", "turn", "open", "results", "item", "choose", "read", "buy")
MATCHES = (
    "words of the text in the instruction",
    "words of the instruction in the text",
    "the text stands in the instruction as a phrase",
    "chosen or opened already",
    "another value of this option is chosen",
    "place on the page",
    "costs no more than the instruction allows",
)
ACTION_SIZE = len(MOVES) + len(MATCHES) + EMBEDDING
PAGE_NUMBERS = 6
STATE_SIZE = len(Kind) + PAGE_NUMBERS
PRICE = re.compile(r"(?:lower than|at most|over|and) \$?(\d+(?:\.\d+)?) dollars")


def features_space(places: int) -> spaces.Dict:
    """The space of :func:`features`.

    ``state`` (13,), ``instruction`` (32,), ``product`` (32,) and ``actions`` (places * 48,), the
    rows of the slate one after the other, float32 in [-1, 1]; ``action_mask`` (places,), int8.
    """
    return spaces.Dict(
        {
            "state": _box(STATE_SIZE),
            "instruction": _box(EMBEDDING),
            "product": _box(EMBEDDING),
            "actions": _box(places * ACTION_SIZE),
            "action_mask": spaces.Box(0, 1, (places,), np.int8),
        }
    )


def features(shopper: Shopper, limit: int | None) -> dict[str, NDArray[np.generic]]:
    """The observation of one shopper.

    Args:
        shopper: whose.
        limit: steps after which the episode is cut, or None.
    """
    session, play = shopper.session, shopper.play
    page, instruction = session.page, session.goal.instruction
    marked = session.marked()
    actions = np.zeros((play.max_actions, ACTION_SIZE), dtype=np.float32)
    allowed = _allowed(instruction)
    for place, action in enumerate(shopper.choices):
        row = actions[place]
        kind, text, price = _read(shopper, page, action)
        row[MOVES.index(kind)] = 1.0
        taken = action in marked
        other = not taken and kind == "choose" and page.moves[action].value[0] in session.options
        row[len(MOVES) : len(MOVES) + 3] = _match(text, instruction)
        fits = 0.0 if price is None else float(price <= allowed)
        row[len(MOVES) + 3 : -EMBEDDING] = (taken, other, place / play.max_actions, fits)
        row[-EMBEDDING:] = embed(text)
    return {
        "state": _state(shopper, page, limit, allowed),
        "instruction": embed(instruction),
        "product": embed(page.product.name) if page.product else np.zeros(EMBEDDING, np.float32),
        "actions": actions.ravel(),
        "action_mask": shopper.mask(),
    }


@lru_cache(maxsize=16_384)
def embed(text: str) -> FloatArray:
    """The mean of random signs, one vector a word, float32 (32,) of length 1; zeros for no word.

    The signs come from a hash of the word: they are the same everywhere and are never learned.
    """
    total = np.zeros(EMBEDDING, dtype=np.float32)
    for word in words_of(text):
        total += _signs(word)
    length = float(np.linalg.norm(total))
    vector = total / length if length else total
    vector.setflags(write=False)
    return vector


@lru_cache(maxsize=65_536)
def _signs(word: str) -> FloatArray:
    code = zlib.crc32(word.encode("utf-8", "replace"))
    # the second hash mixes what crc32, which is linear, leaves alike in similar words
    mixed = (code * 2_654_435_761 + (code >> 7) * 40_503) % 2**32
    bits = (mixed >> np.arange(EMBEDDING)) & 1
    return (2.0 * bits - 1.0).astype(np.float32)


def _box(*shape: int) -> spaces.Box:
    return spaces.Box(-1.0, 1.0, shape, np.float32)


def _read(shopper: Shopper, page: Page, action: str) -> tuple[str, str, float | None]:
    """Kind, text and price of an action."""
    kind, value = page.moves[action]
    if kind == "open":
        return kind, shopper.shop.stock.catalogue.names[value], float(shopper.shop.prices[value])
    if kind == "choose":
        return kind, value[1], None
    return kind, value if kind == "search" else "", None


@lru_cache(maxsize=16_384)
def _match(text: str, instruction: str) -> tuple[float, float, float]:
    words, asked = set(words_of(text)), set(words_of(instruction))
    common = len(words & asked)
    phrase = float(bool(words) and spaced(text) in spaced(instruction))
    return common / max(1, len(words)), common / max(1, len(asked)), phrase


@lru_cache(maxsize=4096)
def _allowed(instruction: str) -> float:
    """The last price that the instruction names, as an upper bound."""
    said = PRICE.findall(instruction)
    return float(said[-1]) if said else NO_LIMIT


def _state(shopper: Shopper, page: Page, limit: int | None, allowed: float) -> FloatArray:
    state = np.zeros(STATE_SIZE, dtype=np.float32)
    state[page.kind] = 1.0
    numbers = state[len(Kind) :]
    numbers[0] = 1.0 if limit is None else max(0.0, 1.0 - shopper.steps / limit)
    numbers[1] = page.number * PAGE_SIZE / 50
    numbers[2] = min(page.total, 50) / 50
    product = page.product
    if product is not None:
        instruction = shopper.session.goal.instruction
        said = _match(product.text, instruction)
        numbers[3] = said[1]
        numbers[4] = float(shopper.shop.prices[page.rows[0]] <= allowed)
        numbers[5] = len(shopper.session.options) / max(1, len(product.options))
    return state
