"""The sweeps of a sensitivity study: a method, one of its settings, and the values tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from agents.backbones import DEFAULT_BACKBONE
from llmrec_env.common.errors import SettingError
from llmrec_env.experiments.study.methods import METHODS

Value = int | float


@dataclass(frozen=True)
class Sweep:
    """A method trained with several values of one setting.

    Attributes:
        part: what it answers: "weight", "k", "share" or "balance".
        method: the method.
        setting: the field of ``RecommenderConfig`` that moves.
        values: what it is set to, rising.
        label: what to call the setting in a picture.
    """

    part: str
    method: str
    setting: str
    values: tuple[Value, ...]
    label: str

    @property
    def title(self) -> str:
        """Of its pictures and tables."""
        return f"{self.label[0].upper()}{self.label[1:]}, {self.method}"

    @property
    def usual(self) -> Value:
        """The method's own value."""
        value: Value = METHODS[self.method].config(DEFAULT_BACKBONE).settings[self.setting]
        return value

    @property
    def is_log(self) -> bool:
        """Whether equal ratios are equally far apart in a picture."""
        return self.part != "share" and self.values[0] > 0


_Q_WEIGHTS = (0.01, 0.03, 0.1, 0.3, 1.0)
_BALANCE = "weight of the RL loss"
SWEEPS = (
    Sweep(
        "weight",
        "soft targets",
        "augment_weight",
        (0.1, 0.25, 0.5, 1.0, 2.0, 4.0),
        "weight of the augmentation",
    ),
    Sweep("k", "soft targets", "augment_k", (1, 5, 10, 20, 50), "proposed actions a step, K"),
    Sweep(
        "share",
        "soft targets",
        "augment_share",
        (0.0, 0.1, 0.25, 0.5, 0.75, 1.0),
        "share of augmented data",
    ),
    Sweep("balance", "SNQN", "q_weight", _Q_WEIGHTS, _BALANCE),
    Sweep("balance", "LEASR", "q_weight", _Q_WEIGHTS, _BALANCE),
)
SWEPT = tuple(dict.fromkeys(sweep.part for sweep in SWEEPS))


def find_sweeps(parts: Sequence[str], values: Mapping[str, tuple[Value, ...]]) -> tuple[Sweep, ...]:
    """The sweeps of some parts, with other values where they are given.

    Raises:
        SettingError: a value is out of the setting's range.
    """
    return tuple(
        replace(sweep, values=_checked(sweep, values[sweep.part]))
        if sweep.part in values
        else sweep
        for sweep in SWEEPS
        if sweep.part in parts
    )


def _checked(sweep: Sweep, values: tuple[Value, ...]) -> tuple[Value, ...]:
    whole = isinstance(sweep.usual, int)
    for value in values:
        if whole and value != int(value):
            raise SettingError(f"{sweep.setting} takes whole numbers, got {value}")
    meant = sorted({int(value) if whole else float(value) for value in values})
    for number in meant:
        METHODS[sweep.method].config(DEFAULT_BACKBONE, **{sweep.setting: number})
    return tuple(meant)
