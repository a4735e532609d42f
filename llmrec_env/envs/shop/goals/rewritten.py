"""Instructions that somebody else worded, a language model or a person, kept in a JSON file."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.common.files import fingerprint, local_path, read_json, write_json
from llmrec_env.common.wording import shown
from llmrec_env.envs.shop.goals.goal import NO_LIMIT, Goal

OF = ("synthetic", "paraphrased")
NUMBER = re.compile(r"\d+(?:\.\d+)?")
LONGEST = 2000
"""Characters of a text, at most."""


@dataclass(frozen=True)
class Rewritten:
    """One instruction in other words.

    Attributes:
        plain: the instruction that was rewritten, whole.
        text: what a shopper reads in its place.
        told: option values and attributes that somebody, who read the text alone, told from it.
    """

    plain: str
    text: str
    told: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class RewrittenInstructions:
    """Instructions by what was rewritten.

    Attributes:
        of: whose instructions were rewritten, ``"synthetic"`` or ``"paraphrased"``.
        rows: one an instruction.
        about: by whom, and how; read by people.
    """

    of: str
    rows: tuple[Rewritten, ...]
    about: Mapping[str, Any]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RewrittenInstructions) and other.hash == self.hash

    def __hash__(self) -> int:
        return hash(self.hash)

    @property
    def hash(self) -> str:
        """16 hex digits of what is said; who said it does not count."""
        rows = (json.dumps([row.plain, row.text, *row.told]) for row in self.rows)
        return fingerprint([self.of, *rows])

    def placed(self, goals: Sequence[Goal]) -> list[tuple[int, Goal]]:
        """The goals that have a text here, with it, and their places among those given.

        Raises:
            SettingError: none has.
            DataError: what a goal asks for cannot be told from its text.
        """
        rows = {row.plain: row for row in self.rows}
        found = [
            (place, goal, rows[goal.instruction])
            for place, goal in enumerate(goals)
            if goal.instruction in rows
        ]
        if not found:
            raise SettingError(
                f"instructions: none of the {len(self.rows)} rewritten ones is one of the "
                f"{len(goals)} {self.of} goals: catalogue, goal_seed and goals_per_product must be "
                "those that they were made with"
            )
        for _, goal, row in found:
            if fault := untold(goal, row):
                raise DataError(f"rewritten instruction {shown(row.text)}: {fault}")
        return [(place, replace(goal, instruction=row.text)) for place, goal, row in found]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write them as JSON, whole or not at all."""
        rows = [asdict(row) for row in self.rows]
        write_json(path, {"about": dict(self.about), "of": self.of, "rows": rows}, sort_keys=False)


def asked_values(goal: Goal) -> list[str]:
    """The option values and attributes that a goal asks for."""
    options = goal.options.values() if isinstance(goal.options, dict) else goal.options
    return [*options, *goal.attributes]


def limits_of(goal: Goal) -> list[float]:
    """The numbers that an instruction must name."""
    limits = [goal.price_lower, goal.rating_lower]
    if goal.price_upper < NO_LIMIT:
        limits.append(goal.price_upper)
    return [limit for limit in limits if limit > 0.0]


def untold(goal: Goal, row: Rewritten) -> str | None:
    """What cannot be told from a text, as a sentence; None where all can."""
    for value in asked_values(goal):
        if value not in row.told:
            return f"nobody has told {value!r} from it, which the goal asks for"
    numbers = {float(number) for number in _numbers(row.text)}
    for limit in limits_of(goal):
        if limit not in numbers:
            return f"it does not name {limit:g}, a limit of the goal"
    return None


def load_rewritten(path: str | os.PathLike[str]) -> RewrittenInstructions:
    """Read what :meth:`RewrittenInstructions.save` wrote.

    Raises:
        DataError: it cannot be read, or is something else; the message names the row.
    """
    place = local_path(path, "rewritten instructions")
    try:
        saved = read_json(place)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    rows = saved.get("rows") if isinstance(saved, dict) else None
    if not isinstance(rows, list) or not rows or saved.get("of") not in OF:
        raise DataError(
            f"{path}: no rewritten instructions; expected an object with a list 'rows' and 'of', "
            f"one of {OF}, got {shown(saved)}"
        )
    about = saved.get("about")
    known: dict[str, Rewritten] = {}
    for number, row in enumerate(rows):
        own = _row(row, f"{path}, row {number}")
        if own.plain in known:
            raise DataError(f"{path}, row {number}: {shown(own.plain)} was rewritten above as well")
        known[own.plain] = own
    return RewrittenInstructions(
        saved["of"], tuple(known.values()), about if isinstance(about, dict) else {}
    )


def _row(row: Any, where: str) -> Rewritten:
    if not isinstance(row, dict):
        raise DataError(f"{where}: expected an object, got {shown(row)}")
    for name in ("plain", "text"):
        text = row.get(name)
        if not isinstance(text, str) or not text.strip() or len(text) > LONGEST:
            raise DataError(
                f"{where}: {name!r} must be a text of 1 to {LONGEST} characters, got {shown(text)}"
            )
    told = row.get("told")
    if not isinstance(told, list) or not all(isinstance(value, str) for value in told):
        raise DataError(f"{where}: 'told' must be a list of texts, got {shown(told)}")
    return Rewritten(row["plain"], row["text"], tuple(told))


def _numbers(text: str) -> list[str]:
    """Every number of a text; a comma stands between thousands."""
    return NUMBER.findall(text.replace(",", ""))
