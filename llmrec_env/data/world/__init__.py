"""The generated world: a synthetic dataset of items and users with known true preferences."""

from llmrec_env.data.world.generated import World, generate_world, named_world
from llmrec_env.data.world.logging_policy import LoggingParameters
from llmrec_env.data.world.parameters import WorldParameters
from llmrec_env.data.world.presets import TASTES, WORLDS
from llmrec_env.data.world.taste import TasteParameters

__all__ = [
    "TASTES",
    "WORLDS",
    "LoggingParameters",
    "TasteParameters",
    "World",
    "WorldParameters",
    "generate_world",
    "named_world",
]
