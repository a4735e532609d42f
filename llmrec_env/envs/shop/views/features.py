"""Numeric observations (``observation="features"``): the page and each action slot as arrays.

Words are seen by how they match the instruction and as frozen hashed embeddings: what is learned
of them holds for products that were never seen.
"""

from __future__ import annotations

import re
import zlib
from functools import lru_cache

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from llmrec_env.common.arrays import FloatArray
from llmrec_env.envs.shop.pages import PAGE_SIZE, Kind, Page
from llmrec_env.envs.shop.shop import Shop
from llmrec_env.envs.shop.shopper import Shopper
from llmrec_env.envs.shop.views.instruction_parser import parse_instruction
from llmrec_env.envs.shop.views.match_features import MATCH_FEATURES, UNSEEN
from llmrec_env.envs.shop.words import spaced, words_of

EMBEDDING = 32
"""Dimensions of the hashed embedding of a text."""
CLAUSES = 12
"""Parts of an instruction that are seen one by one, at most."""
CLAUSE = re.compile(r"[,.:;!?](?:\s|$)")
MOVES = ("search", "index", "turn", "open", "results", "item", "choose", "read", "buy")
MATCHES = (
    "words of the text in the instruction",
    "words of the instruction in the text",
    "the text stands in the instruction as a phrase",
    "the instruction names this option with this value",
    "the longest phrase of the instruction among the values of its option",
    "one over its place among the actions of its kind",
    "its place among them, of ten",
    "chosen, opened or searched already",
    "another value of this option is chosen",
)
"""What is said of each action; the match features follow where the action opens a product."""
MATCH = slice(len(MOVES) + len(MATCHES), len(MOVES) + len(MATCHES) + len(MATCH_FEATURES))
TAKEN, OTHER = MATCH.start - 2, MATCH.start - 1
ACTION_SIZE = len(MOVES) + len(MATCHES) + len(MATCH_FEATURES) + EMBEDDING
NUMBERS = (
    "share of the steps left",
    "page of results",
    "hits",
    "named options that are chosen",
    "named options that are offered and not chosen",
    "products opened, of ten",
    "none of the others that were opened matches better",
)
"""What is said of the state; match features of the open product and the best other follow."""
STATE_SIZE = len(Kind) + len(NUMBERS) + 2 * len(MATCH_FEATURES)


def features_space(n_slots: int) -> spaces.Dict:
    """The space of :func:`features`.

    ``state`` (34,), ``instruction`` (32,), ``clauses`` (12 * 32,), ``product`` (32,) and
    ``actions`` (n_slots * 60,), a row a slot one after the other, float32 in [-1, 1];
    ``action_mask`` (n_slots,), int8.
    """
    return spaces.Dict(
        {
            "state": _box(STATE_SIZE),
            "instruction": _box(EMBEDDING),
            "clauses": _box(CLAUSES * EMBEDDING),
            "product": _box(EMBEDDING),
            "actions": _box(n_slots * ACTION_SIZE),
            "action_mask": spaces.Box(0, 1, (n_slots,), np.int8),
        }
    )


def features(shopper: Shopper, steps_left: float) -> dict[str, NDArray[np.generic]]:
    """The observation of one shopper.

    Args:
        shopper: whose.
        steps_left: as a share of the limit; 1 where there is none.
    """
    session, page, choices = shopper.session, shopper.session.page, shopper.choices
    instruction = session.goal.instruction
    actions = np.zeros((shopper.action_settings.max_actions, ACTION_SIZE), dtype=np.float32)
    actions[: len(choices)] = _fixed(shopper.shop, page, instruction, choices)
    marked, match = session.marked(), shopper.shop.match_features.of
    for place, action in enumerate(choices):
        kind, value = page.moves[action]
        if kind == "open" and value in session.seen:
            actions[place, MATCH] = match(instruction, value, session.seen[value])
            actions[place, TAKEN] = action in marked
        elif kind == "choose" and value[0] in session.options:
            actions[place, TAKEN if action in marked else OTHER] = 1.0
        elif kind == "search":
            actions[place, TAKEN] = value in session.searched
    return {
        "state": _state(shopper, page, steps_left),
        "instruction": embed(instruction).copy(),
        "clauses": _clauses(instruction).copy(),
        "product": embed(page.product.name if page.product else "").copy(),
        "actions": actions.ravel(),
        "action_mask": shopper.mask(),
    }


@lru_cache(maxsize=8192)
def _fixed(shop: Shop, page: Page, instruction: str, choices: tuple[str, ...]) -> FloatArray:
    """What does not change within an episode: float32 (len(choices), ACTION_SIZE)."""
    actions = np.zeros((len(choices), ACTION_SIZE), dtype=np.float32)
    options = parse_instruction(instruction).options
    longest = shop.match_features.phrases(instruction, page.rows[0]) if page.is_item else {}
    before = dict.fromkeys(MOVES, 0)
    for row, action in zip(actions, choices, strict=True):
        kind, value = page.moves[action]
        before[kind] += 1
        row[MOVES.index(kind)] = 1.0
        text, named, first = "", False, False
        if kind == "open":
            text = shop.inventory.catalogue.names[value]
            row[MATCH] = shop.match_features.of(instruction, value, UNSEEN)
        elif kind == "choose":
            name, text = value
            named = options.get(name) == text
            first = longest.get(name) == text
        elif kind == "search":
            text = value
        place = 1.0 / before[kind], min(1.0, before[kind] / 10)
        row[len(MOVES) : TAKEN] = (*_match(text, instruction), named, first, *place)
        row[-EMBEDDING:] = embed(text)
    return actions


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


@lru_cache(maxsize=4096)
def _clauses(instruction: str) -> FloatArray:
    """The embeddings of the instruction's parts between commas and stops, zeros after the last."""
    parts = [part for part in CLAUSE.split(instruction) if part.strip()][:CLAUSES]
    vectors = np.zeros((CLAUSES, EMBEDDING), dtype=np.float32)
    for row, part in zip(vectors, parts, strict=False):
        row[:] = embed(part)
    return vectors.ravel()


@lru_cache(maxsize=65_536)
def _signs(word: str) -> FloatArray:
    code = zlib.crc32(word.encode("utf-8", "replace"))
    # the second hash mixes what crc32, which is linear, leaves alike in similar words
    mixed = (code * 2_654_435_761 + (code >> 7) * 40_503) % 2**32
    bits = (mixed >> np.arange(EMBEDDING)) & 1
    return (2.0 * bits - 1.0).astype(np.float32)


def _total(match: FloatArray) -> float:
    return float(match.sum() - match[6])  # a low price alone is no merit


def _box(*shape: int) -> spaces.Box:
    return spaces.Box(-1.0, 1.0, shape, np.float32)


@lru_cache(maxsize=16_384)
def _match(text: str, instruction: str) -> tuple[float, float, float]:
    words, wanted = _words(text), _words(instruction)
    common = len(words & wanted)
    phrase = float(bool(words) and spaced(text) in spaced(instruction))
    return common / max(1, len(words)), common / max(1, len(wanted)), phrase


@lru_cache(maxsize=16_384)
def _words(text: str) -> frozenset[str]:
    return frozenset(words_of(text))


def _state(shopper: Shopper, page: Page, steps_left: float) -> FloatArray:
    state = np.zeros(STATE_SIZE, dtype=np.float32)
    state[page.kind] = 1.0
    numbers = state[len(Kind) :]
    own, best = numbers[len(NUMBERS) : -len(MATCH_FEATURES)], numbers[-len(MATCH_FEATURES) :]
    numbers[0] = steps_left
    numbers[1] = page.number * PAGE_SIZE / 50
    numbers[2] = min(page.total, 50) / 50
    session, product = shopper.session, page.product
    instruction, row = session.goal.instruction, page.rows[0] if product else None
    match = shopper.shop.match_features.of
    others = [match(instruction, r, seen) for r, seen in session.seen.items() if r != row]
    if product is not None and row is not None:
        own[:] = match(instruction, row, session.seen[row])
        named = parse_instruction(instruction).options.items()
        chosen = sum(session.options.get(name) == value for name, value in named)
        offered = sum(value in product.options.get(name, ()) for name, value in named)
        numbers[3] = chosen / max(1, len(named))
        numbers[4] = (offered - chosen) / max(1, len(named))
        numbers[6] = float(all(_total(own) >= _total(other) for other in others))
    numbers[5] = min(1.0, len(session.seen) / 10)
    if others:
        best[:] = max(others, key=_total)
    return state
