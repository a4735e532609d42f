"""The rows of a study: what each recipe changes of a plain backbone, and what it is held against.

A new recipe is one entry of :data:`RECIPES`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from agents.config import RecommenderConfig
from agents.study.space import HOST, Q_LEARNING, TARGETS, Range, Space
from llmrec_env.common.errors import SettingError

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
    """

    name: str
    kind: Kind
    settings: Mapping[str, Any] = field(default_factory=dict)
    companion: str | None = None
    framework: str | None = None
    own_space: Space = field(default_factory=dict)

    @property
    def space(self) -> Space:
        """All that is searched; the host's settings first, so that all recipes draw them alike."""
        return {**HOST, **self.own_space}

    def config(self, backbone: str, **changes: Any) -> RecommenderConfig:
        """The settings of a recommender, with further ``changes``."""
        return RecommenderConfig(**{"backbone": backbone, **self.settings, **changes})


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
        Recipe("SNQN", "framework", SNQN, own_space=Q_LEARNING),
        _language("LES", {}, state=True),
        _language("LER", {}, reward=True),
        _language("LEA", TARGETS, augment=True),
        _language("LESR", {}, state=True, reward=True),
        _language("LEASR", TARGETS, state=True, reward=True, augment=True),
        Recipe("soft targets", "language", {"augment": True}, "LE", PLAIN, TARGETS),
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
            raise SettingError(
                f"no recipe is named {name.strip()!r}; --objectives takes any of "
                f"{', '.join(RECIPES)}, joined by commas"
            )
    return tuple(dict.fromkeys(known[name.strip().lower()] for name in names))
