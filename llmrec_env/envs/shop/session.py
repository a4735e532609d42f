"""``Session``: the state of one shopping episode, and what each action does to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llmrec_env.envs.shop.goals import Goal
from llmrec_env.envs.shop.pages import Kind, Move, Page, Pages, done_page
from llmrec_env.envs.shop.search.suggestions import clean_query
from llmrec_env.envs.shop.verdict import Purchase, RewardRule, Verdict, check_verdict
from llmrec_env.envs.shop.views import rendering

NOTHING: frozenset[str] = frozenset()


class Session:
    """An episode of one shopper.

    Args:
        pages: the shop.
        rule: says what a purchase is worth.

    Attributes:
        goal: what is to be bought.
        page: where the shopper is.
        query: the last search, in lower case.
        options: values chosen on the product that is open.
        opened: actions that opened a product in this episode.
        seen: which pages of which products were seen in this episode, by the product's row.
        searched: the searches of this episode.
        bought, verdict: what was bought and what it is worth; None before the purchase.
    """

    def __init__(self, pages: Pages, rule: RewardRule) -> None:
        self._pages = pages
        self._rule = rule
        self._heads: dict[str, str] = {}

    def __getstate__(self) -> dict[str, Any]:
        """The episode alone: pages and rule are those of the shop, which is pickled apart."""
        shared = ("_pages", "_rule")
        return {name: value for name, value in self.__dict__.items() if name not in shared}

    def carry_on(self, pages: Pages, rule: RewardRule) -> None:
        """Give a session that was copied or unpickled its shop again."""
        self._pages, self._rule = pages, rule

    def begin(self, goal: Goal) -> None:
        """Start an episode on the index page."""
        self.goal = goal
        self._index = self._pages.index(goal.instruction)
        self.page: Page = self._index
        self.query = ""
        self.options: dict[str, str] = {}
        self.opened: frozenset[str] = NOTHING
        self.seen: dict[int, frozenset[Kind]] = {}
        self.searched: frozenset[str] = NOTHING
        self.bought: Purchase | None = None
        self.verdict: Verdict | None = None
        self._chosen: dict[str, str] = {}
        self._marked: frozenset[str] = NOTHING
        self._number = 0
        self._heads.clear()

    @property
    def can_search(self) -> bool:
        """Whether ``search[any words]`` is valid."""
        return self.page.is_index

    @property
    def valid_actions(self) -> tuple[str, ...]:
        """The valid clicks, or on the index page the suggested searches."""
        return self.page.valid

    @property
    def purchase(self) -> Purchase:
        """What would be bought now. Only where a product is open."""
        product, (row,) = self.page.product, self.page.rows
        assert product is not None
        return Purchase(product, self.options, float(self._pages.prices[row]))

    def act(self, action: str) -> bool:
        """Do what an action says; an invalid one changes nothing.

        Returns:
            Whether the action was valid.
        """
        move = self.page.moves.get(action) or self._read(action)
        if move is None:
            return False
        _MOVES[move.kind](self, move.value, action)
        return True

    def marked(self) -> frozenset[str]:
        """Actions of this page whose buttons are shown as clicked."""
        if self.page.is_item:
            return self.idle()
        if not self.opened or not self.page.is_results:
            return NOTHING
        return self.opened.intersection(self.page.moves)

    def idle(self) -> frozenset[str]:
        """Valid actions that would change nothing: option values that are chosen already."""
        return self._marked if self.page.is_item else NOTHING

    def text(self, form: str) -> str:
        """The page as ``"text"``, ``"text_rich"``, ``"html"`` or ``"url"``."""
        if form == "url":
            return rendering.url(self.page, self.query, self.options)
        above = self._heads.get(form)
        if above is None:
            above = self._heads[form] = rendering.render_head(form, self.goal.instruction)
        return above + rendering.render_page(self.page, form, self.marked())

    def _read(self, action: str) -> Move | None:
        """An action in other letters or spaces, or with search words of one's own."""
        action = action.strip().lower()
        if self.can_search and action.startswith("search[") and action.endswith("]"):
            query = clean_query(action[7:-1])
            return Move("search", query) if query else None
        return self.page.moves.get(action)

    def _go_search(self, query: str, action: str) -> None:
        self.query, self._number = query, 0
        self.searched |= {query}
        self.page = self._pages.results(query)

    def _go_index(self, value: None, action: str) -> None:
        self._leave()
        self.page = self._index

    def _go_turn(self, by: int, action: str) -> None:
        self._number += by
        self.page = self._pages.results(self.query, self._number)

    def _go_open(self, row: int, action: str) -> None:
        self.opened |= {action.strip().lower()}
        self._leave()
        self.page = self._pages.item(row)
        self._see(row, Kind.ITEM)

    def _go_results(self, value: None, action: str) -> None:
        self._leave()
        self.page = self._pages.results(self.query, self._number)

    def _go_item(self, value: None, action: str) -> None:
        self.page = self._pages.item(self.page.rows[0])

    def _go_choose(self, value: tuple[str, str], action: str) -> None:
        """A second value of the same option replaces the first."""
        name, chosen = value
        self.options = self.options | {name: chosen}
        self._chosen = self._chosen | {name: action.strip().lower()}
        self._marked = frozenset(self._chosen.values())

    def _go_read(self, kind: Kind, action: str) -> None:
        row = self.page.rows[0]
        self.page = self._pages.sub_page(row, kind)
        self._see(row, kind)

    def _see(self, row: int, kind: Kind) -> None:
        self.seen[row] = self.seen.get(row, frozenset()) | {kind}

    def _go_buy(self, value: None, action: str) -> None:
        self.bought = self.purchase
        self.verdict = check_verdict(self._rule(self.goal, self.bought), self._rule)
        self.page = done_page(self.verdict.reward)

    def _leave(self) -> None:
        """Options are of the product that is open."""
        if self.options:
            self.options, self._chosen, self._marked = {}, {}, NOTHING


_MOVES: dict[str, Callable[[Session, Any, str], None]] = {
    "search": Session._go_search,
    "index": Session._go_index,
    "turn": Session._go_turn,
    "open": Session._go_open,
    "results": Session._go_results,
    "item": Session._go_item,
    "choose": Session._go_choose,
    "read": Session._go_read,
    "buy": Session._go_buy,
}
