"""The generated world: items with texts, users whose true preferences are known, and their log."""

from llmrec_env.data.world.generated import World, generate_world

__all__ = ["World", "generate_world"]
