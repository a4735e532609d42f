"""The pages of the shop: their lines, the actions on them, and where each action leads.

Pages are made once and shared by all environments; what an episode adds (the instruction, what is
chosen, what was opened) is put in when a page is rendered.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from llmrec_env.common.arrays import Float64Array, read_only
from llmrec_env.envs.shop.catalogue.products import Product, ProductCatalogue
from llmrec_env.envs.shop.search.suggestions import Suggestions
from llmrec_env.envs.shop.words import share_within, words_of
from llmrec_env.envs.text.engine import SearchEngine

PAGE_SIZE = 10
KEPT_PAGES = 16_384
"""Pages of each kind that are kept; the oldest goes first."""
KEPT_HITS = 65_536
"""Searches whose hits are kept, 200 bytes each."""

T = TypeVar("T")


class Kind(IntEnum):
    """The kinds of pages."""

    INDEX = 0
    RESULTS = 1
    ITEM = 2
    DESCRIPTION = 3
    FEATURES = 4
    REVIEWS = 5
    DONE = 6


SEARCH = "search"
"""What the button beside the search words does."""
LEADING = frozenset(
    ("back to search", "next >", "< prev", "description", "features", "reviews", "buy now")
)
"""The buttons that lead on or back, in lower case; others open products or choose values."""
SUB_PAGES = {"description": Kind.DESCRIPTION, "features": Kind.FEATURES, "reviews": Kind.REVIEWS}


class Move(NamedTuple):
    """What an action does: ``kind`` names it, ``value`` says to what."""

    kind: str
    value: Any = None


class Measured(NamedTuple):
    """A text, and how many tokens it has."""

    text: str
    tokens: int


class Line(NamedTuple):
    """A line of a page; with an ``action`` it is a button."""

    text: str
    action: str | None = None


@dataclass(eq=False)
class Page:
    """A page.

    Attributes:
        kind: which kind.
        lines: its texts, without the instruction.
        moves: what each valid action does, in the order of the page.
        valid: the valid actions.
        is_index, is_results, is_item, is_done: whether it is of this kind.
        rows: the products on it; product: the one that is open.
        number: of a page of results, from 0; total: hits.
        rendered: texts that were already rendered, by form and by what is marked.
        measured: the whole texts for language models, by how tokens are counted and as above.
    """

    kind: Kind
    lines: tuple[Line, ...]
    moves: dict[str, Move]
    rows: tuple[int, ...] = ()
    product: Product | None = None
    number: int = 0
    total: int = 0
    rendered: dict[Hashable, str] = field(default_factory=dict)
    measured: dict[Hashable, Measured] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.valid: tuple[str, ...] = tuple(self.moves)
        # reading a member of an enum is slow, and these are read at every step
        self.is_index = self.kind == Kind.INDEX
        self.is_results = self.kind == Kind.RESULTS
        self.is_item = self.kind == Kind.ITEM
        self.is_done = self.kind == Kind.DONE


class Pages:
    """Makes pages and keeps the latest.

    Args:
        catalogue: the products.
        prices: what they cost, float64 (n_products,).
        engine: finds products.
        suggestions: searches to name on the index pages.
    """

    def __init__(
        self,
        catalogue: ProductCatalogue,
        prices: Float64Array,
        engine: SearchEngine,
        suggestions: Suggestions,
    ) -> None:
        self.catalogue = catalogue
        self.prices = prices
        self._engine = engine
        self._suggestions = suggestions
        self._indices: dict[str, Page] = {}
        self._hits: dict[str, NDArray[np.int32]] = {}
        self._results: dict[tuple[str, int], Page] = {}
        self._listings: dict[int, tuple[str, Move, tuple[Line, ...]]] = {}
        self._items: dict[int, Page] = {}
        self._subs: dict[tuple[int, Kind], Page] = {}

    def index(self, instruction: str) -> Page:
        """The search bar for an instruction."""
        return _kept(self._indices, instruction, self._make_index)

    def results(self, query: str, number: int = 0) -> Page:
        """A page, from 0, of what a query finds."""
        return _kept(self._results, (query, number), lambda _: self._make_results(query, number))

    def hits(self, query: str) -> NDArray[np.int32]:
        """The rows of all the products that a query finds, best first."""
        return _kept(self._hits, query, self._search, KEPT_HITS)

    def item(self, row: int) -> Page:
        """The page of a product."""
        return _kept(self._items, row, self._make_item)

    def sub_page(self, row: int, kind: Kind) -> Page:
        """The description, features or reviews of a product."""
        return _kept(self._subs, (row, kind), lambda _: self._make_sub_page(row, kind))

    def _make_index(self, instruction: str) -> Page:
        queries = self._suggestions.of(instruction)
        moves = {f"search[{query}]": Move("search", query) for query in queries}
        return Page(Kind.INDEX, (Line("WebShop"), Line("Search", SEARCH)), moves)

    def _make_results(self, query: str, number: int) -> Page:
        rows = self.hits(query).tolist()
        n_pages = max(1, -(-len(rows) // PAGE_SIZE))
        shown = rows[number * PAGE_SIZE : (number + 1) * PAGE_SIZE]
        lines = [
            Line("Back to Search", "click[back to search]"),
            Line(f"Page {number + 1} (Total results: {len(rows)})"),
        ]
        moves = {"click[back to search]": Move("index")}
        if number + 1 < n_pages:
            lines.append(Line("Next >", "click[next >]"))
            moves["click[next >]"] = Move("turn", 1)
        if number > 0:
            lines.append(Line("< Prev", "click[< prev]"))
            moves["click[< prev]"] = Move("turn", -1)
        for row in shown:
            action, move, listing = _kept(self._listings, row, self._make_listing, KEPT_HITS)
            moves[action] = move
            lines += listing
        return Page(Kind.RESULTS, tuple(lines), moves, tuple(shown), number=number, total=len(rows))

    def _make_listing(self, row: int) -> tuple[str, Move, tuple[Line, ...]]:
        """A product among results: what opens it, where that leads, and its lines."""
        asin = self.catalogue.asin(row)
        action = f"click[{asin.lower()}]"
        lines = (Line(asin, action), Line(self.catalogue.names[row]), Line(self._tag(row)))
        return action, Move("open", row), lines

    def _make_item(self, row: int) -> Page:
        product = self.catalogue[row]
        lines = [Line("Back to Search", "click[back to search]"), Line("< Prev", "click[< prev]")]
        moves = {"click[back to search]": Move("index"), "click[< prev]": Move("results")}
        buttons = {f"click[{name}]": Move("read", kind) for name, kind in SUB_PAGES.items()}
        buttons["click[buy now]"] = Move("buy")
        for name, values in product.options.items():
            lines.append(Line(name))
            for value in dict.fromkeys(values):
                action = f"click[{value}]"
                if action in moves or action in buttons:  # a value that says two things
                    action = f"click[{name}: {value}]"
                moves[action] = Move("choose", (name, value))
                lines.append(Line(value, action))
        stars = f"{product.rating:.1f}" if product.rating else "N.A."
        lines += [Line(product.name), Line(f"Price: {self._tag(row)}"), Line(f"Rating: {stars}")]
        names = ("Description", "Features", "Reviews", "Buy Now")
        lines += [Line(name, f"click[{name.lower()}]") for name in names]
        return Page(Kind.ITEM, tuple(lines), moves | buttons, (row,), product)

    def _make_sub_page(self, row: int, kind: Kind) -> Page:
        product = self.item(row).product
        assert product is not None
        texts = {
            Kind.DESCRIPTION: (product.description,),
            Kind.FEATURES: product.bullets,
            Kind.REVIEWS: (),
        }[kind]
        lines = [Line("Back to Search", "click[back to search]"), Line("< Prev", "click[< prev]")]
        lines += [Line(text) for text in texts if text] or [Line(f"No {kind.name.lower()}")]
        moves = {"click[back to search]": Move("index"), "click[< prev]": Move("item")}
        return Page(kind, tuple(lines), moves, (row,), product)

    def _search(self, query: str) -> NDArray[np.int32]:
        return read_only(self._engine.search(query).astype(np.int32))

    def _tag(self, row: int) -> str:
        return f"${float(self.prices[row]):.2f}"


def done_page(reward: float) -> Page:
    """The last page, with the reward."""
    lines = (Line("Thank you for shopping with us!"), Line(f"Your score: {reward:.2f}"))
    return Page(Kind.DONE, lines, {})


def action_slots(page: Page, instruction: str, n_slots: int) -> tuple[str, ...]:
    """The valid actions of a page, in its order, at most ``n_slots`` of them.

    Where there are more, those option values go that have the least of their words in the
    instruction, the last ones first; every other button keeps its slot.
    """
    return page.valid if len(page.valid) <= n_slots else _fewer(page, instruction, n_slots)


@lru_cache(maxsize=4096)
def _fewer(page: Page, instruction: str, n_slots: int) -> tuple[str, ...]:
    words = set(words_of(instruction))
    values = {action: move.value for action, move in page.moves.items() if move.kind == "choose"}
    n_values = n_slots - (len(page.valid) - len(values))

    def match(action: str) -> float:
        return share_within(values[action][1], words)

    kept = set(sorted(values, key=match, reverse=True)[:n_values])  # stable: the earlier at a tie
    return tuple(action for action in page.valid if action not in values or action in kept)


def _kept(cache: dict[Any, T], key: Any, make: Callable[[Any], T], limit: int = KEPT_PAGES) -> T:
    """The value of a key, made where it is not there; the oldest one goes when there are many."""
    value = cache.get(key)
    if value is None:
        value = make(key)
        if len(cache) >= limit:
            del cache[next(iter(cache))]
        cache[key] = value
    return value
