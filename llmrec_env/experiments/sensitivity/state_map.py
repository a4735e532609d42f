"""The section with the map: test users' states, by the LE and by the backbone, in the plane."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from llmrec_env.common.arrays import Float64Array, FloatArray
from llmrec_env.experiments.sensitivity.points import Point, read_states
from llmrec_env.experiments.sensitivity.projection import (
    NEIGHBOURS,
    has_neighbour_plane,
    kinds_of_items,
    mapped_users,
    neighbour_plane,
    neighbours_alike,
    principal_plane,
)
from llmrec_env.experiments.sensitivity.settings import SensitivitySettings
from llmrec_env.experiments.study.methods import PLAIN
from llmrec_env.experiments.study.rankers import ALONE
from llmrec_env.experiments.study.split_context import SplitContext
from llmrec_env.reporting import Cloud, Scatter, Section, Table, Text

COLOURED = 6
REST = "others"
LETTERS = 22
NO_KINDS = (
    "There is no map: the catalogue has neither a category column nor another text column with "
    "few distinct values, so nothing tells kinds of items apart."
)


def points_of(settings: SensitivitySettings) -> list[Point]:
    """Whose states are mapped."""
    return [Point(f"LE{ALONE}"), Point(PLAIN, settings.backbone, 0)]


@dataclass(frozen=True)
class StateMap:
    """The mapped users.

    Attributes:
        column: the text column that sorts items into kinds.
        kinds: of each user's last item; "" where unknown.
        users: their external ids.
        states: (N, d) by whose states they are.
        planes: (N, 2), the same in the plane.
    """

    column: str
    kinds: list[str]
    users: list[str]
    states: Mapping[str, FloatArray]
    planes: Mapping[str, Float64Array]


def read(settings: SensitivitySettings, context: SplitContext) -> StateMap | None:
    """The mapped users, or None where the items have no kinds."""
    test = mapped_users(context.source.split.test, context.split)
    found = kinds_of_items(test.catalogue)
    if found is None:
        return None
    column, kinds = found
    language, backbone = points_of(settings)
    states = {
        "the LE's states": read_states(language, context),
        f"plain {settings.backbone}'s states": read_states(backbone, context),
    }
    planes = {name: _plane(own, settings) for name, own in states.items()}
    last = [kinds[sequence[-1]] for sequence in test.sequences()]
    return StateMap(column, last, test.user_ids.to_list(), states, planes)


def flat_rows(found: StateMap | None) -> list[dict[str, Any]]:
    """One row for each user and encoder: user, kind of the last item, context on the map."""
    if found is None:
        return []
    return [
        {"part": "map", "method": name, "user_id": user, "kind": kind, "x": x, "y": y}
        for name, plane in found.planes.items()
        for user, kind, (x, y) in zip(found.users, found.kinds, plane.tolist(), strict=True)
    ]


def write(section: Section, found: StateMap | None, settings: SensitivitySettings) -> None:
    """Add the map and how well kinds keep together, or say that the items have no kinds."""
    if found is None:
        section.add(Text(NO_KINDS))
        return
    frequent = [kind for kind, _ in Counter(filter(None, found.kinds)).most_common(COLOURED)]
    groups = np.array([_short(kind) if kind in frequent else REST for kind in found.kinds])
    names = [name for name in dict.fromkeys([*map(_short, frequent), REST]) if name in groups]
    how = "the two principal directions of each"
    if _keeps_neighbours(settings):
        how = "t-SNE by cosine (neighbours stay together, distances say little)"
    section.add(
        Scatter(
            "States of test users",
            f"{len(groups):,} test users, one point each, after their last item; coloured by that "
            f"item's {found.column}, the {len(frequent)} most frequent ones. The plane is {how}; "
            "the axes have no unit.",
            {
                name: {group: Cloud(*plane[groups == group].T) for group in names}
                for name, plane in found.planes.items()
            },
            REST,
        ),
        Table(
            "Do users of one kind stand together?",
            [
                *("states", "numbers a state", f"{NEIGHBOURS} nearest alike", "alike by chance"),
                "variance in two directions",
            ],
            [
                [
                    name,
                    states.shape[1],
                    *neighbours_alike(states, found.kinds),
                    principal_plane(states)[1],
                ]
                for name, states in found.states.items()
            ],
            note=f"Of the {NEIGHBOURS} users nearest by cosine in the full space: the share whose "
            f"last item has the same {found.column}; by chance: of all other users. Users whose "
            "last item has none are left out. Last column: the share of the states' variance that "
            "lies in their two principal directions.",
            command=settings.command,
        ),
    )


def _plane(states: FloatArray, settings: SensitivitySettings) -> Float64Array:
    keeps = _keeps_neighbours(settings)
    plane = neighbour_plane(states, settings.split) if keeps else principal_plane(states)[0]
    return np.round(plane, 4)


def _keeps_neighbours(settings: SensitivitySettings) -> bool:
    automatic = settings.projection == "auto" and has_neighbour_plane()
    return automatic or settings.projection == "tsne"


def _short(kind: str) -> str:
    return kind if len(kind) <= LETTERS else f"{kind[: LETTERS - 1]}…"
