"""``PromptView``: a page and what may be done on it in one text, for language models.

Every action stands where its button is, in the very words that name it:

    Instruction: find me a red lamp, and price lower than 30.00 dollars
    click[back to search]
    click[< prev]
    color
    click[red] (chosen)
    click[blue]
    Floor Lamp With Dimmer
    Price: $24.99
    Rating: N.A.
    click[description]
    click[features]
    click[reviews]
    click[buy now]
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from llmrec_env.common.checks import check_whole
from llmrec_env.envs.common.rendering import clean
from llmrec_env.envs.shop.pages import SEARCH, Line, Measured, Page
from llmrec_env.envs.shop.session import Session
from llmrec_env.envs.shop.views.rendering import MAX_RENDERED
from llmrec_env.envs.shop.words import share_within, words_of
from llmrec_env.envs.text.budget import Pieces, fitted, pieces_of, shortened

PROMPT_TOKENS = 1024
LEAST = 256
"""Tokens of a page at most, at least: with less, no page of results could be used."""
ANY_SEARCH = "search[any words]"
NOT_SHOWN = "({} more can be clicked and are not shown)\n"
PRICE = re.compile(r"(?:Price: )?\$[\d.,]+")
NO_HEAD = Measured("", 0)
KEPT_LINES = 65_536
"""Lines whose pieces, and instructions whose heads, are kept; all go when there are more."""


class PromptView:
    """Pages as texts of ``prompt_tokens`` tokens at most.

    Where a page is longer, its longest texts (names, descriptions) are cut first, all to the same
    length; then those option values go that have least of their words in the instruction, the last
    ones first, then the last hits and prices, and a line says how many; what is not shown can still
    be clicked. Of an instruction that takes more than half, the middle goes: prices stand at the
    end.

    Args:
        prompt_tokens: at least 256.
        pieces: splits a text into its tokens, each as text; where None, by
            :func:`llmrec_env.envs.text.budget.pieces_of`, which finds about as many as a usual
            tokenizer does, more often more than fewer.
        names_actions: whether a button is the action that presses it, ``click[red]``; else it is
            ``[red]``, for agents that call tools, and the instruction stands on the index page
            alone, since they have read it.

    Raises:
        SettingError: ``prompt_tokens`` is less.
    """

    def __init__(
        self,
        prompt_tokens: int = PROMPT_TOKENS,
        pieces: Pieces | None = None,
        names_actions: bool = True,
    ) -> None:
        self.prompt_tokens = check_whole("prompt_tokens", prompt_tokens, LEAST)
        self._split = pieces_of if pieces is None else pieces
        self._names_actions = names_actions
        self._kept: dict[str, list[str]] = {}
        self._heads: dict[str, Measured] = {}
        self._lines: dict[tuple[Line, bool], Measured] = {}

    def text(self, session: Session) -> str:
        """What a shopper reads now, within the budget."""
        page, instruction, marked = session.page, session.goal.instruction, session.marked()
        head = self._head(instruction) if self._names_actions or page.is_index else NO_HEAD
        body = self._whole(page, marked)
        if head.tokens + body.tokens <= self.prompt_tokens:
            return (head.text + body.text).rstrip("\n")
        key = self._split, self.prompt_tokens, self._names_actions, instruction, marked
        text = page.rendered.get(key)
        if text is None:
            if len(page.rendered) >= MAX_RENDERED:
                page.rendered.clear()
            text = page.rendered[key] = self._cut(page, instruction, marked, head)
        return text

    def _head(self, instruction: str) -> Measured:
        head = self._heads.get(instruction)
        if head is None:
            if len(self._heads) >= KEPT_LINES:
                self._heads.clear()
            pieces = self._pieces(f"Instruction: {instruction}\n")
            pieces = shortened(pieces, self.prompt_tokens // 2)
            head = self._heads[instruction] = Measured("".join(pieces), len(pieces))
        return head

    def _whole(self, page: Page, marked: frozenset[str]) -> Measured:
        """All lines of a page, which all shoppers read alike."""
        key = self._split, self._names_actions, marked
        body = page.measured.get(key)
        if body is None:
            if len(page.measured) >= MAX_RENDERED:
                page.measured.clear()
            lines = [self._measured(line, line.action in marked) for line in page.lines]
            text = "".join([line.text for line in lines])
            body = page.measured[key] = Measured(text, sum([line.tokens for line in lines]))
        return body

    def _cut(self, page: Page, instruction: str, marked: frozenset[str], head: Measured) -> str:
        texts = (self._measured(line, line.action in marked).text for line in page.lines)
        lines = [self._pieces(text) if text else [] for text in texts]
        worth = _worth(page, instruction, marked)
        room = self.prompt_tokens - head.tokens
        kept = fitted(lines, worth, room)
        hidden = sum(not own for own, whole in zip(kept, lines, strict=True) if whole)
        if hidden:
            told = self._pieces(NOT_SHOWN.format(hidden + 1))
            kept = fitted(lines, worth, room - len(told))
            rows = zip(kept, lines, worth, strict=True)
            hidden = sum(not own for own, whole, value in rows if whole and value is not None)
            kept.append(self._pieces(NOT_SHOWN.format(hidden)) if hidden else [])
        return (head.text + "".join(piece for line in kept for piece in line)).rstrip("\n")

    def _measured(self, line: Line, chosen: bool) -> Measured:
        measured = self._lines.get((line, chosen))
        if measured is None:
            if len(self._lines) >= KEPT_LINES:
                self._lines.clear()
            text = self._line(line, chosen)
            tokens = len(self._split(text)) if text else 0
            measured = self._lines[line, chosen] = Measured(text, tokens)
        return measured

    def _line(self, line: Line, chosen: bool) -> str:
        text, action = line
        if action == SEARCH:
            text = ANY_SEARCH if self._names_actions else ""
        elif action is not None:
            button = action if self._names_actions else action.removeprefix("click")
            text = f"{button} (chosen)" if chosen else button
        else:
            text = clean(text, len(text))  # a catalogue's texts make no lines of their own
        return f"{text}\n" if text else ""

    def _pieces(self, line: str) -> list[str]:
        pieces = self._kept.get(line)
        if pieces is None:
            if len(self._kept) >= KEPT_LINES:
                self._kept.clear()
            pieces = self._kept[line] = self._split(line)
        return pieces


def _worth(
    page: Page, instruction: str, marked: frozenset[str]
) -> Sequence[tuple[bool, float, int] | None]:
    """What each line is worth to the shopper that is not cut: buttons and prices; else None."""
    words = set(words_of(instruction))
    worth: list[tuple[bool, float, int] | None] = []
    for place, (text, action) in enumerate(page.lines):
        if action is None:  # half a price would be another one
            worth.append((True, 1.0, -place) if PRICE.fullmatch(text) else None)
            continue
        move = page.moves.get(action)
        kept = move is None or move.kind != "choose" or action in marked
        worth.append((kept, share_within(text, words), -place))
    return worth
