"""The rows of a study: what each recipe changes of a plain backbone, and what it is held against.

A new recipe is one entry of :data:`RECIPES`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any, Literal

from agents.config import RecommenderConfig
from llmrec_env.common.errors import SettingError
from llmrec_env.experiments.study.space import HOST, PROXY, Q_LEARNING, TARGETS, Range, Space

Kind = Literal["plain", "framework", "control", "language"]
PLAIN = "plain"


@dataclass(frozen=True)
class Recipe:
    """One way to train a backbone.

    Attributes:
        name: the row, such as "LEASR"; also part of a folder's name.
        kind: "plain", "framework" (another objective), "control" (what a gain has to beat) or
            "language" (learns from a simulated user).
        settings: fields of :class:`RecommenderConfig` that differ from the defaults.
        companion: name of the simulated user that labels and augments (:mod:`.companions`).
        framework: the recipe without the simulated user, with which it is compared.
        own_space: what is searched besides the host's settings.
        teacher: who proposes actions, where no simulated user does (:mod:`.teachers`).
        fused_with: what ranks beside it in service (:mod:`.fusions`).
    """

    name: str
    kind: Kind
    settings: Mapping[str, Any] = field(default_factory=dict)
    companion: str | None = None
    framework: str | None = None
    own_space: Space = field(default_factory=dict)
    teacher: str | None = None
    fused_with: str | None = None

    @property
    def reads_text(self) -> bool:
        """Whether anything that it learns from has read the item texts."""
        return self.kind == "language" or self.companion in TEXT_CONTROLS

    @property
    def space(self) -> Space:
        """All that is searched; the host's settings first, so that all recipes draw them alike."""
        return {**HOST, **self.own_space}

    def config(self, backbone: str, **changes: Any) -> RecommenderConfig:
        """The settings of a recommender, with further ``changes``."""
        return RecommenderConfig(**{"backbone": backbone, **self.settings, **changes})


FRAMEWORKS = ("SQN", "SAC", "SA2C", "SMORL")
LANGUAGE_TEACHERS = ("LE 10%", "LE 30%", "LE of titles", "LE pooled", "LE with ids")
TEXT_CONTROLS = ("frozen text", "text without LM", "LE unpretrained")
CONTROL_TEACHERS = (*TEXT_CONTROLS, "LE without text", "bag of items")
"""Companions whose soft targets show what language, its LM and its learning add."""
SNQN: dict[str, Any] = {"objective": "snqn", "target": "periodic"}
"""One copy learns, as many steps as a plain backbone takes; the fair coin would take twice that."""


def _language(name: str, space: Space, **switches: bool) -> Recipe:
    return Recipe(name, "language", {**SNQN, **switches}, "LE", "SNQN", {**Q_LEARNING, **space})


def _teacher(teacher: str) -> Recipe:
    """Soft targets of a teacher without language."""
    name = {"cooccurrence": "co-occurrence"}.get(teacher, teacher)
    settings = {"augment": True, "teacher": teacher}
    return Recipe(f"{name} targets", "control", settings, framework=PLAIN, own_space=TARGETS)


def _added(teacher: str) -> Recipe:
    """SNQN that learns from the actions of a teacher without language."""
    targets = _teacher(teacher)
    settings = {**SNQN, **targets.settings}
    space = {**Q_LEARNING, **TARGETS}
    return Recipe(f"SNQN + {targets.name}", "control", settings, None, "SNQN", space)


def _soft(companion: str, kind: Kind = "language", **more: Any) -> Recipe:
    """A plain backbone that learns the soft targets of a companion."""
    name = "soft targets" if companion == "LE" else f"{companion} targets"
    return Recipe(name, kind, {"augment": True, **more}, companion, PLAIN, TARGETS)


def _framework(name: str, space: Space) -> Recipe:
    settings = {"objective": name.lower(), "target": "periodic"}
    return Recipe(name, "framework", settings, own_space=space)


def _leasr(framework: str) -> Recipe:
    """LEASR on another framework than SNQN."""
    switches = {"state": True, "reward": True, "augment": True}
    settings = {"objective": framework.lower(), "target": "periodic", **switches}
    space = {**Q_LEARNING, **TARGETS}
    return Recipe(f"{framework} LEASR", "language", settings, "LE", framework, space)


_TEACHERS = ("random", "popular", "cooccurrence")
RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(PLAIN, "plain"),
        Recipe(
            "label smoothing",
            "control",
            {"label_smoothing": 0.3},
            framework=PLAIN,
            own_space={"label_smoothing": Range(0.05, 0.5)},
        ),
        Recipe("tied", "control", {"tied": True}, framework=PLAIN),
        Recipe("text-initialised", "control", {"item_init": "text"}, "frozen text", PLAIN),
        Recipe("LE-initialised", "language", {"item_init": "text"}, "LE", PLAIN),
        Recipe("SNQN", "framework", SNQN, own_space=Q_LEARNING),
        _language("LES", {}, state=True),
        _language("LER", {}, reward=True),
        _language("LEA", TARGETS, augment=True),
        _language("LESR", {}, state=True, reward=True),
        _language("LEASR", TARGETS, state=True, reward=True, augment=True),
        *(_framework(name, Q_LEARNING) for name in FRAMEWORKS),
        *map(_leasr, FRAMEWORKS),
        Recipe("proxy", "control", {"objective": "proxy"}, framework=PLAIN, own_space=PROXY),
        Recipe(
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
        Recipe("top-1 target", "language", {"augment": True, "augment_k": 1}, "LE", PLAIN, TARGETS),
        Recipe("LE fused", "language", {"state": True, "state_to": "fused"}, "LE", PLAIN),
        Recipe(
            "LE distilled",
            "language",
            {"state": True, "state_to": "distilled"},
            "LE",
            PLAIN,
            {"state_weight": Range(0.05, 2.0, log=True)},
        ),
        Recipe(
            "LES of frozen text",
            "control",
            {**SNQN, "state": True},
            "frozen text",
            "SNQN",
            Q_LEARNING,
        ),
        Recipe(
            "LEASR of a bag of items",
            "control",
            {**SNQN, "state": True, "reward": True, "augment": True},
            "bag of items",
            "SNQN",
            {**Q_LEARNING, **TARGETS},
        ),
        Recipe(
            "item-kNN targets",
            "control",
            {"augment": True},
            None,
            PLAIN,
            TARGETS,
            teacher="item-kNN",
        ),
        Recipe(
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
        Recipe("plain and LE in service", "language", {}, "LE", PLAIN, fused_with="LE"),
        Recipe("plain and item-kNN in service", "control", {}, None, PLAIN, fused_with="item-kNN"),
        Recipe("two plain in service", "control", {}, None, PLAIN, fused_with="twin"),
        *map(_teacher, _TEACHERS),
        *map(_added, _TEACHERS),
    )
}


def find_recipes(names: Iterable[str]) -> tuple[str, ...]:
    """The recipes' own names for names in any case, each once.

    Raises:
        SettingError: there is no such recipe.
    """
    known = {name.lower(): name for name in RECIPES}
    for name in names:
        if name.strip().lower() not in known:
            near = get_close_matches(name.strip().lower(), known, n=1)
            hint = f" (did you mean {known[near[0]]!r}?)" if near else ""
            raise SettingError(
                f"no recipe is named {name.strip()!r}{hint}; --objectives takes any of "
                f"{', '.join(RECIPES)}, joined by commas"
            )
    return tuple(dict.fromkeys(known[name.strip().lower()] for name in names))
