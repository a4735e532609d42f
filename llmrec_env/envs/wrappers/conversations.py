"""``Conversations``: what agents who recommend to N users write, and what they read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from llmrec_env.common.arrays import BoolArray, IntArray
from llmrec_env.common.checks import check_counts
from llmrec_env.envs.common.rendering import clean
from llmrec_env.envs.next_item.rules import NextItemRules, Outcome
from llmrec_env.envs.text.text_space import TextSpace
from llmrec_env.envs.wrappers.item_texts import LABEL_WIDTH, TEXT_WIDTH, TITLE_WIDTH, ItemTexts
from llmrec_env.envs.wrappers.tool_calls import LONGEST_CALL, CallError, read_call

MANUAL = """\
You recommend items to one user, one at a time. The user takes an item or skips it, and leaves after
too many skips in a row. Find items that this user likes and has not seen yet.
Answer with one action and nothing else:
search[words] finds items in the catalogue. It costs a turn.
look[item id or title] tells all about an item. It costs a turn.
recommend[item id or title] shows an item to the user. It costs a turn."""
GREETING = "A user has come."
LOOKED = 1000
"""Characters of an item's text that a look at it tells."""
TOLD_WIDTH = LABEL_WIDTH + len(" (skipped) | ")
MESSAGE_WIDTH = 3 * TOLD_WIDTH


class Decision(NamedTuple):
    """What an action came to.

    Attributes:
        tool: ``"search"``, ``"look"``, ``"recommend"`` or, where it was no action, ``""``.
        message: what is read about it; of a recommendation, the beginning.
        item: what to recommend; 0 where nothing is.
        hits: ids that a search found.
    """

    tool: str
    message: str
    item: int = 0
    hits: tuple[str, ...] = ()


class Conversations:
    """The conversations about N users.

    Args:
        rules: the users.
        texts: what their items are called.
        max_turns, hits, remembered: as in :class:`TextTools`.

    Attributes:
        turns: int64 (N,), actions so far.
        pages: the space of what is read; actions: of what is written.
    """

    def __init__(
        self, rules: NextItemRules, texts: ItemTexts, max_turns: int, hits: int, remembered: int
    ) -> None:
        check_counts(max_turns=max_turns, hits=hits, remembered=remembered)
        self._rules, self._texts = rules, texts
        self._max_turns, self._hits, self._remembered = max_turns, hits, remembered
        self._recommended: list[list[str]] = [[] for _ in range(rules.num_rows)]
        self.turns = np.zeros(rules.num_rows, dtype=np.int64)
        longest = (2 * remembered + 2) * TOLD_WIDTH + hits * (TOLD_WIDTH + TEXT_WIDTH) + LOOKED
        self.pages = TextSpace(longest + MESSAGE_WIDTH, charset=texts.characters)
        self.actions = TextSpace(LONGEST_CALL, charset=texts.characters)

    def begin(self, rows: IntArray) -> None:
        """Another user in each of ``rows``, int64 (M,)."""
        self.turns[rows] = 0
        for row in rows.tolist():
            self._recommended[row] = []

    def over(self) -> BoolArray:
        """Which conversations have had all their turns, bool (N,)."""
        return self.turns >= self._max_turns

    def read(self, row: int, action: Any) -> Decision:
        """What an action asks for; a turn is over."""
        self.turns[row] += 1
        try:
            call = read_call(action)
            decide = {"search": self._search, "look": self._look, "recommend": self._ask}
            return decide[call.tool](row, call.text)
        except CallError as error:
            return Decision("", f"Not done: {error}")

    def answer(self, row: int, decision: Decision, outcome: Outcome) -> str:
        """What is read about a decision, after the users have answered those who were asked."""
        if decision.tool != "recommend":
            return decision.message
        item, answer = int(outcome.items[row]), "taken" if outcome.accepted[row] else "skipped"
        label = self._texts.label(item)
        self._recommended[row].append(f"{label} ({answer})")
        other = "" if item == decision.item else f"; shown instead was {label}"
        return f"{decision.message}{other}: {answer}."

    def page(self, row: int, message: str) -> str:
        """What is read; characters that the catalogue lacks, which the agent wrote, are ``?``."""
        rules, last = self._rules, slice(-self._remembered, None)
        taken = [item for item in rules.recent[row].tolist() if item < rules.n_items]
        steps = "" if rules.limit is None else f"{rules.limit - rules.steps[row]} recommendations, "
        lines = [
            f"Taken so far: {_listed([self._texts.label(item) for item in taken[last]])}",
            f"Recommended here: {_listed(self._recommended[row][last])}",
            f"Left: {self._max_turns - self.turns[row]} turns, {steps}"
            f"{rules.patience_left[row]} skips in a row before the user leaves",
            message,
        ]
        text, known = "\n".join(lines), self._texts.characters
        return text if known.issuperset(text) else "".join(c if c in known else "?" for c in text)

    def _search(self, row: int, query: str) -> Decision:
        seen = set(self._rules.seen.of(row).tolist())
        items = self._texts.search(query, self._hits, seen)
        found = f"{len(items)} items that the user has not seen" if items else "nothing"
        lines = [f'You searched for "{clean(query, TITLE_WIDTH)}" and found {found}.']
        lines += map(self._texts.description, items)
        return Decision("search", "\n".join(lines), hits=tuple(map(self._texts.id_of, items)))

    def _look(self, row: int, name: str) -> Decision:
        return Decision("look", self._texts.description(self._texts.find(name), LOOKED))

    def _ask(self, row: int, name: str) -> Decision:
        item = self._texts.find(name)
        seen = ", which this user had seen already" if item in self._rules.seen.of(row) else ""
        return Decision("recommend", f"You recommended {self._texts.label(item)}{seen}", item)


def _listed(names: Sequence[str]) -> str:
    return " | ".join(names) or "nothing"
