"""The methods that a study can compare: how each differs from a plain backbone.

A new method is one entry of :data:`METHODS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Literal

from agents.config import RecommenderConfig
from agents.objectives import DEFAULT_OBJECTIVE
from llmrec_env.common.errors import SettingError
from llmrec_env.experiments.study.space import HOST, Space, space_of

Role = Literal["plain", "framework", "control", "language"]
PLAIN, PROXY = "plain", "proxy"
TEXT_CONTROLS = ("frozen text", "text without LM", "LE without LM", "LE unpretrained")


@dataclass(frozen=True)
class Method:
    """One way to train a backbone.

    Attributes:
        name: the row, such as "LEASR"; also part of a folder's name.
        role: "plain", "framework" (another objective), "control" (what a gain has to beat) or
            "language" (learns from a simulated user).
        settings: flat settings of :class:`RecommenderConfig` that differ from the defaults.
        simulator: name of the simulated user that labels and augments (:mod:`.simulators`).
        teacher: who proposes actions, where no simulated user does (:mod:`.teachers`).
        fused_with: what ranks beside it in service (:mod:`.fusions`).
    """

    name: str
    role: Role
    settings: Mapping[str, Any] = field(default_factory=dict)
    simulator: str | None = None
    teacher: str | None = None
    fused_with: str | None = None

    @property
    def objective(self) -> str:
        """The loss on the logged actions."""
        return str(self.settings.get("objective", DEFAULT_OBJECTIVE))

    @property
    def framework(self) -> str | None:
        """The method that has its objective alone, with which it is compared."""
        if self.role in ("plain", "framework"):
            return None
        if self.objective == DEFAULT_OBJECTIVE or self.name == PROXY:
            return PLAIN
        return PROXY if self.objective == PROXY else self.objective.upper()

    @property
    def reads_text(self) -> bool:
        """Whether anything that it learns from has read the item texts."""
        return self.role == "language" or self.simulator in TEXT_CONTROLS

    @property
    def space(self) -> Space:
        """All that is searched; the host's settings first, so that all methods draw them alike."""
        return space_of(self.objective, self.settings)

    def config(self, backbone: str, **changes: Any) -> RecommenderConfig:
        """The settings of a recommender, with further ``changes``.

        All backbones are searched in one space; what a backbone has no setting for, it leaves out.
        What the method itself decides, such as "tied", another method's host does not change.
        """
        decided = {key: value for key, value in self.settings.items() if key not in self.space}
        settings = {**self.settings, **changes, **decided}
        config = RecommenderConfig.of(backbone, settings.pop("objective", DEFAULT_OBJECTIVE))
        left_out = set(HOST) - set(config.settings)
        return config.with_settings(
            **{name: value for name, value in settings.items() if name not in left_out}
        )


def _method(
    name: str,
    role: Role,
    simulator: str | None = None,
    teacher: str | None = None,
    fused_with: str | None = None,
    **settings: Any,
) -> Method:
    if settings.get("augment"):  # as the tables of the docs were made
        settings.setdefault("augment_later", False)
    return Method(name, role, settings, simulator, teacher, fused_with)


def _q_learning(framework: str) -> dict[str, Any]:
    """One copy learns, as many steps as plain takes; the fair coin would take twice that."""
    return {"objective": framework.lower(), "target": "periodic"}


def _targets(simulator: str, role: Role = "language") -> Method:
    """A plain backbone that learns the soft targets of a simulator."""
    return _method(f"{simulator} targets", role, simulator, augment=True)


FRAMEWORKS = ("SQN", "SAC", "SA2C", "SMORL")
LANGUAGE_TEACHERS = ("LE 10%", "LE 30%", "LE of titles", "LE pooled", "LE without ids")
CONTROL_TEACHERS = (*TEXT_CONTROLS, "LE without text", "bag of items")
"""Simulators whose soft targets show what language, its LM and its learning add."""
COUNTING_TEACHERS = {"random": "random", "popular": "popular", "co-occurrence": "cooccurrence"}
"""Who proposes actions without language: in names, and as the setting ``teacher``."""
BOTH = "LE and item-kNN"
SNQN = _q_learning("SNQN")
LEASR: dict[str, Any] = {"state": True, "reward": True, "augment": True}
METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        _method(PLAIN, "plain"),
        _method("label smoothing", "control", label_smoothing=0.3),
        _method("tied", "control", tied=True),
        _method("text-initialised", "control", "frozen text", item_init="text"),
        _method("LE-initialised", "language", "LE", item_init="text"),
        _method("SNQN", "framework", **SNQN),
        _method("LES", "language", "LE", **SNQN, state=True),
        _method("LER", "language", "LE", **SNQN, reward=True),
        _method("LEA", "language", "LE", **SNQN, augment=True),
        _method("LESR", "language", "LE", **SNQN, state=True, reward=True),
        _method("LEASR", "language", "LE", **SNQN, **LEASR),
        *(_method(name, "framework", **_q_learning(name)) for name in FRAMEWORKS),
        *(
            _method(f"{name} LEASR", "language", "LE", **_q_learning(name), **LEASR)
            for name in FRAMEWORKS
        ),
        _method(PROXY, "control", objective="proxy"),
        _method("proxy LEA", "language", "LE", objective="proxy", augment=True),
        _method("soft targets", "language", "LE", augment=True),
        *map(_targets, LANGUAGE_TEACHERS),
        *(_targets(name, "control") for name in CONTROL_TEACHERS),
        _method("top-1 target", "language", "LE", augment=True, augment_k=1),
        _method("LE fused", "language", "LE", state=True, state_to="fused"),
        _method("LE distilled", "language", "LE", state=True, state_to="distilled"),
        _method("LES of frozen text", "control", "frozen text", **SNQN, state=True),
        _method("LEASR of a bag of items", "control", "bag of items", **SNQN, **LEASR),
        _method("item-kNN targets", "control", teacher="item-kNN", augment=True),
        _method("LE and item-kNN targets", "language", "LE", BOTH, augment=True),
        _method("LEASR with item-kNN", "language", "LE", BOTH, **SNQN, **LEASR),
        _method("plain and LE in service", "language", "LE", fused_with="LE"),
        _method("plain and item-kNN in service", "control", fused_with="item-kNN"),
        _method("two plain in service", "control", fused_with="twin"),
        *(
            Method(f"{name} targets", "control", {"augment": True, "teacher": teacher})
            for name, teacher in COUNTING_TEACHERS.items()
        ),
        *(
            Method(
                f"SNQN + {name} targets", "control", {**SNQN, "augment": True, "teacher": teacher}
            )
            for name, teacher in COUNTING_TEACHERS.items()
        ),
    )
}


def find_methods(names: Iterable[str]) -> tuple[str, ...]:
    """The methods' own names for names in any case, each once.

    Raises:
        SettingError: there is no such method.
    """
    known = {name.lower(): name for name in METHODS}
    for name in names:
        if name.strip().lower() not in known:
            near = get_close_matches(name.strip().lower(), known, n=1)
            hint = f" (did you mean {known[near[0]]!r}?)" if near else ""
            raise SettingError(
                f"no method is named {name.strip()!r}{hint}; --methods takes any of "
                f"{', '.join(METHODS)}, joined by commas"
            )
    return tuple(dict.fromkeys(known[name.strip().lower()] for name in names))
