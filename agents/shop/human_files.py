"""Reads WebShop's public human trajectories: one JSON-lines file a session, one page a line.

(Yao et al., WebShop, NeurIPS 2022.) A line names the page that a person saw, its address, the goal,
and what the page showed; the last page states the reward.
"""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from llmrec_env.common.errors import DataError
from llmrec_env.common.files import local_path
from llmrec_env.envs.common.checks import check_name
from llmrec_env.envs.shop.catalogue.human_list import HumanList
from llmrec_env.envs.shop.goals import NO_LIMIT, SPLITS, Goal, Options, published_split

PAGES = ("index", "search_results", "item_page", "item_sub_page", "done")
UNPLACED = -1
"""The row of a goal whose product was not looked up in any catalogue yet."""


@dataclass(frozen=True)
class Visit:
    """A page that a person saw.

    Attributes:
        page: one of ``PAGES``.
        words: the search that led there, words between single spaces.
        number: of a page of results, from 0.
        asin: the product, in upper case; options: values chosen by option name.
        sub_page: ``"description"``, ``"features"``, … of a sub-page, in lower case.
    """

    page: str
    words: str = ""
    number: int = 0
    asin: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    sub_page: str = ""


@dataclass(frozen=True)
class HumanTrajectory:
    """One session of a person in the original shop.

    Attributes:
        source: the file's name.
        goal: what was to be bought, ``row`` -1: the file names no catalogue.
        visits: the pages seen, in order.
        reward: in the original shop; None where nothing was bought.
    """

    source: str
    goal: Goal
    visits: tuple[Visit, ...]
    reward: float | None


def read_trajectories(path: str | os.PathLike[str]) -> list[HumanTrajectory]:
    """Read one file of a session, or every ``*.jsonl`` of a folder by name.

    Raises:
        DataError: there is no such file, or a line is not what was expected; the message names the
            file, the line and the field.
    """
    path = local_path(path, "trajectories")
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{path}: no *.jsonl in this folder; expected one file a session")
    return [_read_file(file) for file in files]


def in_published_split(
    trajectories: Sequence[HumanTrajectory], order: HumanList, split: str
) -> list[HumanTrajectory]:
    """Those whose instruction is in a split of the published order.

    Args:
        trajectories: of any instructions.
        order: the public list of instructions, whose first 500 are for tests; who learns from
            trajectories leaves these out.
        split: ``"train"``, ``"validation"``, ``"test"`` or ``"all"``: all that the list has.

    Raises:
        SettingError: there is no such split.
    """
    check_name("split", split, SPLITS)
    placed = [(order.place(one.goal.instruction), one) for one in trajectories]
    return [
        one
        for place, one in placed
        if place is not None and split in ("all", published_split(place))
    ]


def _read_file(path: Path) -> HumanTrajectory:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as UTF-8 text ({error})") from None
    visits, goal, reward = [], None, None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        record = _Record.parse(line, f"{path}, line {number}")
        line_goal = _goal(record.part("goal"))
        if goal is not None and line_goal != goal:
            raise DataError(f"{record.where}: another 'goal' than above; a file is one session")
        goal = line_goal
        visits.append(_visit(record))
        if visits[-1].page == "done" and reward is None:
            reward = record.number("reward", 0.0, 1.0)
    if goal is None:
        raise DataError(f"{path}: no line; expected one JSON object a page that was seen")
    return HumanTrajectory(path.name, goal, tuple(visits), reward)


@dataclass(frozen=True)
class _Record:
    """A JSON object of a line, and where it stands."""

    where: str
    values: dict[str, Any]

    @classmethod
    def parse(cls, line: str, where: str) -> _Record:
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where}: not valid JSON ({error}); fetch the file again") from None
        if not isinstance(values, dict):
            raise DataError(f"{where}: expected a JSON object, got {line!r:.80}")
        return cls(where, values)

    def fail(self, name: str, expected: str) -> DataError:
        got = f"got {self.values[name]!r:.80}" if name in self.values else "it is absent"
        return DataError(f"{self.where}: {name!r} must be {expected}; {got}")

    def part(self, name: str) -> _Record:
        return _Record(self.where, self._checked(name, lambda v: isinstance(v, dict), "an object"))

    def text(self, name: str) -> str:
        text: str = self._checked(name, lambda v: isinstance(v, str), "a text")
        return text

    def number(self, name: str, low: float, high: float) -> float:
        def is_number(value: Any) -> bool:
            return isinstance(value, int | float) and not isinstance(value, bool)

        self._checked(name, is_number, "a number")
        # not of nan either
        return float(self._checked(name, lambda v: low <= v <= high, f"in [{low:g}, {high:g}]"))

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(self._checked(name, _is_texts, "a list of texts"))

    def named_texts(self, name: str) -> dict[str, str]:
        def is_named(value: Any) -> bool:
            return isinstance(value, dict) and _is_texts([*value.values()])

        return dict(self._checked(name, is_named, "an object of texts by option name"))

    def _checked(self, name: str, is_right: Callable[[Any], bool], expected: str) -> Any:
        value = self.values.get(name)
        if not is_right(value):
            raise self.fail(name, expected)
        return value

    def page_number(self, name: str) -> int:
        """A page of results, counted from 1 in the file and from 0 here."""
        value = self.values.get(name)
        if isinstance(value, str) and value.isdecimal():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self.fail(name, "the number of a page, from 1")
        return value - 1

    def words(self, name: str) -> str:
        """Search words: a list, or what Python prints of one."""
        value: Any = self.values.get(name)
        if isinstance(value, str):
            try:
                value = ast.literal_eval(value)
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                value = None
        if not _is_texts(value):
            raise self.fail(name, "a list of texts")
        return " ".join(" ".join(value).split())


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _goal(record: _Record) -> Goal:
    options: Options = (
        record.named_texts("goal_options")
        if isinstance(record.values.get("goal_options"), dict)
        else record.texts("goal_options")
    )
    return Goal(
        asin=record.text("asin").upper(),
        row=UNPLACED,
        name=record.text("name"),
        category=record.text("category"),
        query=record.text("query"),
        product_category=record.text("product_category"),
        instruction=record.text("instruction_text"),
        attributes=record.texts("attributes"),
        options=options,
        price_upper=record.number("price_upper", 0.0, NO_LIMIT),
    )


def _visit(record: _Record) -> Visit:
    page = record.text("page")
    if page not in PAGES:
        raise record.fail("page", f"one of {PAGES}")
    if page == "index":
        return Visit(page)
    content = record.part("content")
    if page == "search_results":
        return Visit(page, content.words("keywords"), content.page_number("page"))
    asin, options = content.text("asin").upper(), content.named_texts("options")
    if page == "done":
        return Visit(page, asin=asin, options=options)
    words, number = content.words("keywords"), content.page_number("page")
    sub_page = ""
    if page == "item_sub_page":
        # which one stands in the address alone: …/{page}/{sub-page}/{options}
        parts = record.text("url").rsplit("/", 2)
        if len(parts) < 3:
            raise record.fail("url", "an address that ends in /sub-page/options")
        sub_page = unquote(parts[1]).lower()
    return Visit(page, words, number, asin, options, sub_page)
