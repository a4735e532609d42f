"""Named worlds, and the names of what they differ in: tastes, and who recommended in the log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from llmrec_env.common.errors import SettingError
from llmrec_env.common.wording import listed, shown
from llmrec_env.data.world.logging_policy import LoggingParameters
from llmrec_env.data.world.parameters import WorldParameters
from llmrec_env.data.world.taste import TasteParameters

TASTES: Mapping[str, TasteParameters] = MappingProxyType(
    {
        "drawn": TasteParameters(),
        "stationary": TasteParameters(drift_rate=0.0),
        "drifting": TasteParameters(turn_rate=0.06),
        "trusting": TasteParameters(trust_rate=0.15),
    }
)
"""How tastes move. "drawn", the usual: towards what is taken; "stationary": not at all; "drifting":
they also turn by themselves, a radian in 17 interactions; "trusting": they move as usual, and trust
falls with bad recommendations."""

WORLDS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "popularity": {},
        "uniform": {"logging": "uniform"},
        "recommender": {"logging": "recommender"},
        "stationary": {"taste": "stationary"},
        "drifting": {"taste": "drifting"},
        "trust": {"taste": "trusting"},
        "sated": {"satiation": 1.4},
        "noisy": {"noise": 2.0},
    }
)
"""The named worlds: arguments of :func:`~llmrec_env.data.world.generated.generate_world`. Those of
one seed have the same items, with the same texts, and users who begin with the same tastes."""


def world_arguments(name: str) -> Mapping[str, Any]:
    """The arguments by which a named world differs from the usual one.

    Raises:
        SettingError: there is no such world.
    """
    if name not in WORLDS:
        raise SettingError(f"no world {shown(name)}: expected one of {listed(WORLDS)}")
    return WORLDS[name]


def with_choices(
    parameters: WorldParameters,
    taste: str | TasteParameters | None,
    logging: str | LoggingParameters | None,
    satiation: float | None,
    noise: float | None,
) -> WorldParameters:
    """Parameters with what :func:`~llmrec_env.data.world.generated.generate_world` was told.

    Raises:
        SettingError: a name is unknown, or a number out of range.
    """
    found = parameters.taste if taste is None else _taste(taste)
    if satiation is not None:
        found = replace(found, satiation_weight=satiation)
    parameters = replace(parameters, taste=found)
    if logging is not None:
        own = logging if isinstance(logging, LoggingParameters) else LoggingParameters(logging)  # type: ignore[arg-type]
        parameters = replace(parameters, logging=own)
    return parameters if noise is None else _noisier(parameters, noise)


def _taste(taste: str | TasteParameters) -> TasteParameters:
    if isinstance(taste, TasteParameters):
        return taste
    if taste not in TASTES:
        raise SettingError(
            f"taste must be TasteParameters or one of {listed(TASTES)}; got {shown(taste)}"
        )
    return TASTES[taste]


def _noisier(parameters: WorldParameters, noise: float) -> WorldParameters:
    if not (isinstance(noise, int | float) and 0.0 < noise < float("inf")):
        raise SettingError(f"noise is a factor above 0, got {shown(noise)}")
    return replace(
        parameters,
        choice_sharpness=parameters.choice_sharpness / noise,
        accept_sharpness=parameters.accept_sharpness / noise,
    )
