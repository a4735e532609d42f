"""The rows of a study: what each method changes of a plain backbone, and what it is held against.

A new method is one entry of :data:`METHODS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any, Literal

from agents.config import RecommenderConfig
from agents.objectives import DEFAULT_OBJECTIVE
from llmrec_env.common.errors import SettingError
from llmrec_env.experiments.study.space import HOST, PROXY, Q_LEARNING, TARGETS, Range, Space

Role = Literal["plain", "framework", "control", "language"]
PLAIN = "plain"


@dataclass(frozen=True)
class Method:
    """One way to train a backbone.

    Attributes:
        name: the row, such as "LEASR"; also part of a folder's name.
        role: "plain", "framework" (another objective), "control" (what a gain has to beat) or
            "language" (learns from a simulated user).
        settings: flat settings of :class:`RecommenderConfig` that differ from the defaults.
        simulator: name of the simulated user that labels and augments (:mod:`.simulators`).
        framework: the method without the simulated user, with which it is compared.
        own_space: what is searched besides the host's settings.
        teacher: who proposes actions, where no simulated user does (:mod:`.teachers`).
        fused_with: what ranks beside it in service (:mod:`.fusions`).
    """

    name: str
    role: Role
    settings: Mapping[str, Any] = field(default_factory=dict)
    simulator: str | None = None
    framework: str | None = None
    own_space: Space = field(default_factory=dict)
    teacher: str | None = None
    fused_with: str | None = None

    @property
    def reads_text(self) -> bool:
        """Whether anything that it learns from has read the item texts."""
        return self.role == "language" or self.simulator in TEXT_CONTROLS

    @property
    def space(self) -> Space:
        """All that is searched; the host's settings first, so that all methods draw them alike."""
        return {**HOST, **self.own_space}

    def config(self, backbone: str, **changes: Any) -> RecommenderConfig:
        """The settings of a recommender, with further ``changes``.

        All backbones are searched in one space; what a backbone has no setting for, it leaves out.
        """
        settings = {**self.settings, **changes}
        config = RecommenderConfig.of(backbone, settings.pop("objective", DEFAULT_OBJECTIVE))
        left_out = set(HOST) - set(config.settings)
        return config.with_settings(
            **{name: value for name, value in settings.items() if name not in left_out}
        )


FRAMEWORKS = ("SQN", "SAC", "SA2C", "SMORL")
LANGUAGE_TEACHERS = ("LE 10%", "LE 30%", "LE of titles", "LE pooled", "LE with ids")
TEXT_CONTROLS = ("frozen text", "text without LM", "LE unpretrained")
CONTROL_TEACHERS = (*TEXT_CONTROLS, "LE without text", "bag of items")
"""Simulators whose soft targets show what language, its LM and its learning add."""
SNQN: dict[str, Any] = {"objective": "snqn", "target": "periodic"}
"""One copy learns, as many steps as a plain backbone takes; the fair coin would take twice that."""


def _language(name: str, space: Space, **switches: bool) -> Method:
    return Method(name, "language", {**SNQN, **switches}, "LE", "SNQN", {**Q_LEARNING, **space})


def _teacher(teacher: str) -> Method:
    """Soft targets of a teacher without language."""
    name = {"cooccurrence": "co-occurrence"}.get(teacher, teacher)
    settings = {"augment": True, "teacher": teacher}
    return Method(f"{name} targets", "control", settings, framework=PLAIN, own_space=TARGETS)


def _added(teacher: str) -> Method:
    """SNQN that learns from the actions of a teacher without language."""
    targets = _teacher(teacher)
    settings = {**SNQN, **targets.settings}
    space = {**Q_LEARNING, **TARGETS}
    return Method(f"SNQN + {targets.name}", "control", settings, None, "SNQN", space)


def _soft(simulator: str, role: Role = "language", **more: Any) -> Method:
    """A plain backbone that learns the soft targets of a simulator."""
    name = "soft targets" if simulator == "LE" else f"{simulator} targets"
    return Method(name, role, {"augment": True, **more}, simulator, PLAIN, TARGETS)


def _framework(name: str, space: Space) -> Method:
    settings = {"objective": name.lower(), "target": "periodic"}
    return Method(name, "framework", settings, own_space=space)


def _leasr(framework: str) -> Method:
    """LEASR on another framework than SNQN."""
    switches = {"state": True, "reward": True, "augment": True}
    settings = {"objective": framework.lower(), "target": "periodic", **switches}
    space = {**Q_LEARNING, **TARGETS}
    return Method(f"{framework} LEASR", "language", settings, "LE", framework, space)


_TEACHERS = ("random", "popular", "cooccurrence")
METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(PLAIN, "plain"),
        Method(
            "label smoothing",
            "control",
            {"label_smoothing": 0.3},
            framework=PLAIN,
            own_space={"label_smoothing": Range(0.05, 0.5)},
        ),
        Method("tied", "control", {"tied": True}, framework=PLAIN),
        Method("text-initialised", "control", {"item_init": "text"}, "frozen text", PLAIN),
        Method("LE-initialised", "language", {"item_init": "text"}, "LE", PLAIN),
        Method("SNQN", "framework", SNQN, own_space=Q_LEARNING),
        _language("LES", {}, state=True),
        _language("LER", {}, reward=True),
        _language("LEA", TARGETS, augment=True),
        _language("LESR", {}, state=True, reward=True),
        _language("LEASR", TARGETS, state=True, reward=True, augment=True),
        *(_framework(name, Q_LEARNING) for name in FRAMEWORKS),
        *map(_leasr, FRAMEWORKS),
        Method("proxy", "control", {"objective": "proxy"}, framework=PLAIN, own_space=PROXY),
        Method(
            "proxy LEA",
            "language",
            {"objective": "proxy", "augment": True},
            "LE",
            "proxy",
            {**PROXY, **TARGETS},
        ),
        _soft("LE"),
        *(_soft(name) for name in LANGUAGE_TEACHERS),
        *(_soft(name, "control") for name in CONTROL_TEACHERS),
        Method("top-1 target", "language", {"augment": True, "augment_k": 1}, "LE", PLAIN, TARGETS),
        Method("LE fused", "language", {"state": True, "state_to": "fused"}, "LE", PLAIN),
        Method(
            "LE distilled",
            "language",
            {"state": True, "state_to": "distilled"},
            "LE",
            PLAIN,
            {"state_weight": Range(0.05, 2.0, log=True)},
        ),
        Method(
            "LES of frozen text",
            "control",
            {**SNQN, "state": True},
            "frozen text",
            "SNQN",
            Q_LEARNING,
        ),
        Method(
            "LEASR of a bag of items",
            "control",
            {**SNQN, "state": True, "reward": True, "augment": True},
            "bag of items",
            "SNQN",
            {**Q_LEARNING, **TARGETS},
        ),
        Method(
            "item-kNN targets",
            "control",
            {"augment": True},
            None,
            PLAIN,
            TARGETS,
            teacher="item-kNN",
        ),
        Method(
            "LE and item-kNN targets",
            "language",
            {"augment": True},
            "LE",
            PLAIN,
            TARGETS,
            teacher="LE and item-kNN",
        ),
        replace(
            _language("LEASR with item-kNN", TARGETS, state=True, reward=True, augment=True),
            teacher="LE and item-kNN",
        ),
        Method("plain and LE in service", "language", {}, "LE", PLAIN, fused_with="LE"),
        Method("plain and item-kNN in service", "control", {}, None, PLAIN, fused_with="item-kNN"),
        Method("two plain in service", "control", {}, None, PLAIN, fused_with="twin"),
        *map(_teacher, _TEACHERS),
        *map(_added, _TEACHERS),
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
