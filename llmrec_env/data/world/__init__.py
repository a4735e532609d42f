"""The generated world: a synthetic dataset of items and users with known true preferences."""

from llmrec_env.data.world.generated import World, generate_world

__all__ = ["World", "generate_world"]
