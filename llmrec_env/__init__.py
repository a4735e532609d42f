"""Gymnasium environments in which a language model is the user of a recommender system.

Importing the package registers ``LLMRec/NextItem-v0``, ``LLMRec/TrueTaste-v0`` and
``LLMRec/Shop-v0`` for ``gym.make`` and ``gym.make_vec``. The public names below load their modules,
and what those need, on first use.
"""

from __future__ import annotations

import importlib
from typing import Any

from llmrec_env.envs.common.registration import register_environments

__version__ = "0.1.0"

_PUBLIC = {
    # what happened
    "Catalogue": "llmrec_env.data.catalogue",
    "InteractionLog": "llmrec_env.data.log",
    "load": "llmrec_env.data.loading",
    "generate_world": "llmrec_env.data.world.generated",
    # who answers
    "UserSimulator": "llmrec_env.users.base",
    "HistoryUser": "llmrec_env.users.base",
    "Response": "llmrec_env.users.base",
    "TrueTasteUser": "llmrec_env.users.true_taste",
    "LanguageUser": "llmrec_env.users.language",
    # the two doors
    "NextItemEnv": "llmrec_env.envs.next_item.env",
    "NextItemVectorEnv": "llmrec_env.envs.next_item.vector_env",
    "ShopEnv": "llmrec_env.envs.shop.env",
    "ShopVectorEnv": "llmrec_env.envs.shop.vector_env",
    "make_vec_env": "llmrec_env.envs.sb3",
    "transitions": "llmrec_env.offline.transitions",
    # who is judged
    "evaluate_policy": "llmrec_env.evaluation.returns",
    "evaluate_ranking": "llmrec_env.evaluation.ranking",
}
__all__ = [*_PUBLIC, "__version__"]

register_environments()


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_PUBLIC))
