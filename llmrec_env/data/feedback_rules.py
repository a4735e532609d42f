"""``FeedbackRule``: how what one user said of items becomes their liking, a number in [0, 1].

The usual rule, ``normal``, is that of :mod:`llmrec_env.data.feedback`. Any other is a function of
all that is known of one user, registered under a name by which a saved LE finds it again::

    @register_feedback_rule("rank")
    def rank(values):                    # float32 (n,): stars, play counts, … of one user
        return values.argsort().argsort() / max(1, len(values) - 1)    # (n,), in [0, 1]

    FitConfig(feedback_rule="rank")

or, where it has settings, a dataclass that is called, whose fields are saved as JSON::

    @register_feedback_rule("at least")
    @dataclass(frozen=True)
    class AtLeast:
        stars: float = 4.0
        per_user = False                 # histories are not read against the user's own mean

        def __call__(self, values):
            return values >= self.stars

    FitConfig(feedback_rule=AtLeast(3.0))
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import Any, TypeVar

import numpy as np

from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.common.errors import SettingError
from llmrec_env.common.wording import listed, shown

NORMAL = "normal"
"""The usual rule: a value against the mean and the spread of its user."""
_REGISTERED: dict[str, Callable[..., Any]] = {}
Rule = TypeVar("Rule", bound=Callable[..., Any])


def register_feedback_rule(name: str) -> Callable[[Rule], Rule]:
    """Make a rule known by a name; to be put above a function or a dataclass.

    Args:
        name: by which settings and saved LEs call it. One that is taken is given to the new rule.

    Raises:
        SettingError: the name is empty or that of the usual rule.
    """
    if not isinstance(name, str) or not name.strip() or name == NORMAL:
        raise SettingError(f"a feedback rule needs a name of its own, got {shown(name)}")

    def register(rule: Rule) -> Rule:
        if not callable(rule) or (isinstance(rule, type) and not is_dataclass(rule)):
            raise SettingError(
                f"the feedback rule {name!r} must be a function of one user's values, or a "
                f"dataclass that is called with them, got {shown(rule)}"
            )
        _REGISTERED[name] = rule
        return rule

    return register


@dataclass(frozen=True)
class FeedbackRule:
    """A rule by its name.

    Attributes:
        name: ``normal``, or one that was registered.
        settings: its fields, where it is a dataclass; plain JSON values.

    Raises:
        SettingError: no rule of this name is registered, or it has other settings.
    """

    name: str = NORMAL
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.name != NORMAL:
            _ = self.function
        elif self.settings:
            raise SettingError(f"the feedback rule {NORMAL!r} has no settings: {self.settings}")

    @classmethod
    def of(cls, rule: Any) -> FeedbackRule:
        """A rule from its name, or from what was registered.

        Raises:
            SettingError: it is not registered, or a setting is no plain value.
        """
        if isinstance(rule, FeedbackRule):
            return rule
        if isinstance(rule, str):
            return cls(rule)
        for name, known in _REGISTERED.items():
            if rule is known:
                return cls(name)
            if isinstance(known, type) and type(rule) is known:
                return cls(name, _plain(asdict(rule), name))  # type: ignore[call-overload]
        raise SettingError(
            f"the feedback rule {shown(rule)} has no name, by which a saved LE could find it "
            "again: register it with register_feedback_rule(NAME)"
        )

    @property
    def function(self) -> Callable[[FloatArray], Any]:
        """What was registered, with its settings.

        Raises:
            SettingError: nothing was, or it has other settings.
        """
        if self.name not in _REGISTERED:
            raise SettingError(
                f"unknown feedback rule {self.name!r}; known are "
                f"{listed([NORMAL, *_REGISTERED])}: one of your own must be registered before it "
                f"is used or an LE that learned by it is loaded (register_feedback_rule("
                f"{self.name!r}))"
            )
        rule = _REGISTERED[self.name]
        if not isinstance(rule, type) and not self.settings:
            return rule
        try:
            made: Callable[[FloatArray], Any] = rule(**self.settings)
            return made
        except TypeError as error:
            raise SettingError(
                f"the feedback rule {self.name!r} does not take the settings "
                f"{dict(self.settings)}: {error}"
            ) from None

    @property
    def per_user(self) -> bool:
        """Whether histories are read against the user's own mean and spread; its attribute."""
        return True if self.name == NORMAL else bool(getattr(self.function, "per_user", True))

    def likings(self, values: FloatArray, users: IntArray) -> FloatArray:
        """How much each value says that its user liked the item; not of the usual rule.

        Args:
            values: float32 (n,), in the unit of the log; NaN where unknown.
            users: int64 (n,), whose they are.

        Returns:
            float32 (n,), in [0, 1], NaN where unknown.

        Raises:
            SettingError: the rule gives something else.
        """
        function = self.function
        likings = np.full(len(values), np.nan, dtype=np.float32)
        known = np.flatnonzero(~np.isnan(values))
        known = known[np.argsort(users[known], kind="stable")]
        begins = np.flatnonzero(np.diff(users[known], prepend=-1))
        for rows in np.split(known, begins[1:]) if len(known) else []:
            likings[rows] = self._checked(function(values[rows].copy()), values[rows])
        return likings

    def _checked(self, given: Any, values: FloatArray) -> FloatArray:
        try:
            found = np.asarray(given, dtype=np.float32)
        except (TypeError, ValueError):
            found = np.empty((0, 0), dtype=np.float32)
        if found.shape != values.shape or not ((found >= 0) & (found <= 1)).all():
            raise SettingError(
                f"the feedback rule {self.name!r} must give a number in [0, 1] for each of the "
                f"{len(values)} values of a user; of {shown(values)} it made {shown(given)}"
            )
        return found


def _plain(settings: dict[str, Any], name: str) -> dict[str, Any]:
    try:
        again: dict[str, Any] = json.loads(json.dumps(settings, allow_nan=False))
    except (TypeError, ValueError):
        again = {}
    if again != settings:
        raise SettingError(
            f"the feedback rule {name!r}: its settings must be plain JSON values, got "
            f"{shown(settings)}"
        )
    return again
