"""Elements of a report, such as tables, curves and findings, as plain JSON-ready values.

Texts may come from a dataset and are not trusted: control characters are dropped here, markup is
escaped where it is shown. Arrays become tuples; NaN and infinity become None, which JSON knows.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from llmrec_env.common.errors import DataError


@dataclass(frozen=True)
class Element:
    """Base class: normalises its fields to plain values and knows its subclasses by name."""

    kinds: ClassVar[dict[str, type[Element]]] = {}

    def __init_subclass__(cls) -> None:
        Element.kinds[cls.__name__] = cls

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, plain(getattr(self, field.name)))
        self.check()

    def check(self) -> None:
        """Raise DataError where the fields do not fit together."""


@dataclass(frozen=True)
class Estimate(Element):
    """A number and how sure it is: a 95% interval, or the standard deviation over repeats."""

    mean: float | None
    low: float | None = None
    high: float | None = None
    sd: float | None = None

    @classmethod
    def over(cls, values: Sequence[float]) -> Estimate:
        """Mean and standard deviation over repeats, such as seeds."""
        repeats = [float(value) for value in values]
        return cls(statistics.fmean(repeats), sd=statistics.stdev(repeats) if repeats[1:] else None)


Cell = str | int | float | bool | Estimate | None


@dataclass(frozen=True)
class Text(Element):
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Facts(Element):
    """A few labelled values, shown large."""

    values: Mapping[str, Cell]


@dataclass(frozen=True)
class Finding(Element):
    """One claim, whether it holds in this run (None: not tested), and the numbers behind it.

    Attributes:
        refuted: it does not hold, and that its opposite does is as sure as the report asks for.
        otherwise: what to say where it does not hold, in plain words; empty: that the claim is not
            shown.
    """

    claim: str
    holds: bool | None
    evidence: str = ""
    refuted: bool = False
    otherwise: str = ""

    @property
    def statement(self) -> str:
        """The claim in words that say the same without the mark before them."""
        if self.holds is False and self.otherwise:
            return self.otherwise
        if self.refuted:
            return f"Refuted: {self.claim}"
        return {True: "", False: "Not shown: ", None: "Not tested: "}[self.holds] + self.claim


@dataclass(frozen=True)
class Table(Element):
    """A table; the first column names the row.

    Attributes:
        controls: names of the rows that are controls, which a claim has to beat.
        masked: whether seen items were masked; None where the question does not arise.
        best: columns in which the highest value is set in bold.
        command: the command that makes this table.
        digits: digits after the point of a fractional number.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    controls: Sequence[str] = ()
    masked: bool | None = None
    best: Sequence[str] = ()
    note: str = ""
    command: str = ""
    digits: int = 3

    def check(self) -> None:
        """Rows are as wide as the header; controls and best name what exists."""
        for number, row in enumerate(self.rows, start=1):
            if len(row) != len(self.columns):
                raise DataError(
                    f"table {self.title!r}: row {number} has {len(row)} cells, "
                    f"expected {len(self.columns)} ({', '.join(self.columns)})"
                )
        _check_known(
            f"table {self.title!r}: controls", self.controls, [row[0] for row in self.rows]
        )
        _check_known(f"table {self.title!r}: best", self.best, self.columns)


@dataclass(frozen=True)
class Curve(Element):
    """One line: y over x, with an optional band from low to high.

    ``levels`` are what this line is to be compared with, horizontal and of its colour.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float | None]
    low: Sequence[float | None] | None = None
    high: Sequence[float | None] | None = None
    levels: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def check(self) -> None:
        """All columns are equally long."""
        for name in ("y", "low", "high"):
            _check_length(f"curve {self.name!r}", name, getattr(self, name), len(self.x))


@dataclass(frozen=True)
class Figure(Element):
    """Base class of what is drawn; each figure has a caption."""

    title: str
    caption: str


@dataclass(frozen=True)
class Curves(Figure):
    """Lines in one picture; ``levels`` are horizontal lines to compare with.

    With ``log_x`` equal ratios of x are equally far apart, and each x is marked.
    """

    series: Sequence[Curve]
    x_label: str
    y_label: str
    levels: Mapping[str, float] = dataclasses.field(default_factory=dict)
    log_x: bool = False

    def check(self) -> None:
        """What stands on a logarithmic axis is positive."""
        for curve in self.series:
            if self.log_x and min(curve.x, default=1) <= 0:
                raise DataError(
                    f"curves {self.title!r}: {curve.name!r} has x={min(curve.x)}, which has no "
                    "place on a logarithmic axis"
                )


@dataclass(frozen=True)
class Bars(Figure):
    """Bars with intervals: one colour for each of ``series``, side by side in each group.

    ``levels`` are horizontal lines to compare with.
    """

    groups: Sequence[str]
    series: Mapping[str, Sequence[Estimate]]
    y_label: str
    levels: Mapping[str, float] = dataclasses.field(default_factory=dict)
    x_label: str = ""

    def check(self) -> None:
        """Every series has one bar in each group."""
        for name, bars in self.series.items():
            if len(bars) != len(self.groups):
                raise DataError(
                    f"bars {self.title!r}: {name!r} has {len(bars)} bars, expected "
                    f"{len(self.groups)} ({', '.join(self.groups)})"
                )


@dataclass(frozen=True)
class Forest(Figure):
    """Estimates under each other with their intervals, beside a ``reference`` line."""

    rows: Mapping[str, Estimate]
    x_label: str
    reference: float | None = 0.0


@dataclass(frozen=True)
class Cloud(Element):
    """Points of one kind in the plane; ``names``, where there are any, stand beside them."""

    x: Sequence[float]
    y: Sequence[float]
    names: Sequence[str] = ()

    def check(self) -> None:
        """Every point has two coordinates, and a name if one has."""
        _check_length("cloud", "y", self.y, len(self.x))
        _check_length("cloud", "names", self.names or None, len(self.x))


@dataclass(frozen=True)
class Scatter(Figure):
    """Clouds side by side, one picture for each of ``panels``.

    A cloud's name has one colour in all panels; the one named ``rest`` is grey and lies behind.
    Axes have numbers where they have labels: a map has none.
    """

    panels: Mapping[str, Mapping[str, Cloud]]
    rest: str = ""
    x_label: str = ""
    y_label: str = ""

    def check(self) -> None:
        """There is a panel, and all have the same clouds."""
        names = [list(clouds) for clouds in self.panels.values()]
        if not names or any(own != names[0] for own in names):
            raise DataError(
                f"scatter {self.title!r}: panels must have clouds of the same names; got {names}"
            )


@dataclass(frozen=True)
class Turn(Element):
    """One recommendation and its answer; ``liking`` in [0, 1].

    ``probability`` is that of taking the item, where it is known: an item that is liked may still
    be left.
    """

    item: str
    liking: float
    accepted: bool
    detail: str = ""
    seen: bool = False
    probability: float | None = None


@dataclass(frozen=True)
class Transcript(Element):
    """One episode: what the user took before, what was recommended, how they answered."""

    title: str
    user: str
    history: Sequence[str]
    turns: Sequence[Turn]
    ending: str = ""
    note: str = ""


@dataclass
class Section:
    """One heading of a report and what stands under it."""

    title: str
    lede: str = ""
    elements: list[Element] = dataclasses.field(default_factory=list)

    def add(self, *elements: Element) -> Section:
        """Append elements; returns the section, so that calls can be chained."""
        self.elements.extend(elements)
        return self


def plain(value: Any) -> Any:
    """``value`` with arrays as tuples, numpy scalars as Python's, no NaN, no control characters.

    Raises:
        DataError: a value of a type that a report cannot hold.
    """
    match value:
        case None | bool() | int() | Element():
            return value
        case np.generic():
            return plain(value.item())
        case float():
            return value if math.isfinite(value) else None
        case str():
            return clean(value)
        case Mapping():
            return {clean(str(key)): plain(item) for key, item in value.items()}
        case np.ndarray() | Sequence():
            return tuple(plain(item) for item in value)
    raise DataError(
        f"report: cannot hold a {type(value).__name__}; expected numbers, texts and lists of them"
    )


def clean(text: str) -> str:
    """``text`` without control characters, which could steer a terminal; line ends stay."""
    kept = text.replace("\t", " ")
    return "".join(letter for letter in kept if letter.isprintable() or letter == "\n")


def to_json(value: Any) -> Any:
    """Elements, and containers of them, as what ``json`` writes; ``@`` names an element's kind."""
    match value:
        case Element():
            fields = {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
            return {"@": type(value).__name__, **fields}
        case Mapping():
            return {_escape(key): to_json(item) for key, item in value.items()}
        case tuple() | list():
            return [to_json(item) for item in value]
    return value


def from_json(value: Any) -> Any:
    """What :func:`to_json` wrote, as elements again.

    Raises:
        DataError: an unknown kind of element, or one with other fields.
    """
    if isinstance(value, list):
        return tuple(from_json(item) for item in value)
    if not isinstance(value, dict):
        return value
    kind = value.get("@")
    fields = {key.removeprefix("@"): from_json(item) for key, item in value.items() if key != "@"}
    if kind is None:
        return fields
    if kind not in Element.kinds:
        raise DataError(
            f"report: unknown element {kind!r}; expected one of {sorted(Element.kinds)}"
        )
    try:
        return Element.kinds[kind](**fields)
    except TypeError as error:
        raise DataError(f"report: {kind} with unexpected fields: {error}") from None


def _escape(key: str) -> str:
    """A data key as it is written: ``@`` alone is kept for the kind of an element."""
    return f"@{key}" if key.startswith("@") else key


def _check_known(what: str, names: Sequence[Any], known: Sequence[Any]) -> None:
    for name in names:
        if name not in known:
            raise DataError(f"{what} names {name!r}, which is none of {list(known)}")


def _check_length(what: str, name: str, values: Sequence[Any] | None, expected: int) -> None:
    if values is not None and len(values) != expected:
        raise DataError(f"{what}: {len(values)} values of {name}, expected {expected}")
