"""Gymnasium environments in which a language model is the user of a recommender system.

Importing the package registers ``LLMRec/NextItem-v1``, ``LLMRec/Slate-v0``, ``LLMRec/Shop-v0`` and
others for ``gym.make`` and ``gym.make_vec``. The public names load their modules, and what those
need, on first use.

Data:
    ``Catalogue``: the items of a log, with their texts.
    ``InteractionLog``: what users did, in order.
    ``load``: reads a public dataset, or tables of your own.
    ``generate_world``: makes a log of users whose true taste is known.

Simulated users:
    ``LanguageUser``: a language model that learned from a log.
    ``PromptedUser``, ``ModelServer``: a language model behind a server, which answers in words.
    ``TrueTasteUser``: a user of a generated world, who answers by that world's true taste.
    ``UserSimulator``: the base class of all simulated users.
    ``HistoryUser``: the base class for a simulated user of your own, two functions of a history.
    ``Response``: what a simulated user answers to an item.

Environments and datasets:
    ``NextItemEnv``, ``NextItemVectorEnv``: recommend the next item, to one user or to many.
    ``SlateEnv``, ``SlateVectorEnv``: show a list of items, of which the user takes one or none.
    ``ShopEnv``, ``ShopVectorEnv``: shop for an instruction, in one session or in many.
    ``make_vec_env``: many users as the vector environment of stable-baselines3.
    ``transitions``: a log as states, actions, rewards and next states for offline learning.

Evaluation:
    ``evaluate_policy``: returns of a policy in episodes with simulated users.
    ``evaluate_agent``: the same for an agent of any library, a function of a batch of users.
    ``compare_agents``: several agents beside random actions.
    ``policy_ranking``: does a simulator put policies in the true order, from their returns.
    ``evaluate_ranking``: how high a recommender ranks the items that test users took next.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from llmrec_env.common.forking import protect_forks
from llmrec_env.envs.common.registration import register_environments

if TYPE_CHECKING:
    from llmrec_env.data.catalogue import Catalogue
    from llmrec_env.data.loading import load
    from llmrec_env.data.log import InteractionLog
    from llmrec_env.data.world.generated import generate_world
    from llmrec_env.envs.next_item.env import NextItemEnv
    from llmrec_env.envs.next_item.vector_env import NextItemVectorEnv
    from llmrec_env.envs.sb3 import make_vec_env
    from llmrec_env.envs.shop.env import ShopEnv
    from llmrec_env.envs.shop.vector_env import ShopVectorEnv
    from llmrec_env.envs.slate.env import SlateEnv
    from llmrec_env.envs.slate.vector_env import SlateVectorEnv
    from llmrec_env.evaluation.agents import compare_agents, evaluate_agent
    from llmrec_env.evaluation.policy_ranking import policy_ranking
    from llmrec_env.evaluation.ranking import evaluate_ranking
    from llmrec_env.evaluation.returns import evaluate_policy
    from llmrec_env.offline.transitions import transitions
    from llmrec_env.users.base import HistoryUser, Response, UserSimulator
    from llmrec_env.users.language import LanguageUser
    from llmrec_env.users.prompted import PromptedUser
    from llmrec_env.users.prompting.server import ModelServer
    from llmrec_env.users.true_taste import TrueTasteUser

__version__ = "0.1.0"

__all__ = [
    # data
    "Catalogue",
    "InteractionLog",
    "load",
    "generate_world",
    # simulated users
    "LanguageUser",
    "PromptedUser",
    "ModelServer",
    "TrueTasteUser",
    "UserSimulator",
    "HistoryUser",
    "Response",
    # environments and datasets
    "NextItemEnv",
    "NextItemVectorEnv",
    "SlateEnv",
    "SlateVectorEnv",
    "ShopEnv",
    "ShopVectorEnv",
    "make_vec_env",
    "transitions",
    # evaluation
    "evaluate_policy",
    "evaluate_agent",
    "compare_agents",
    "policy_ranking",
    "evaluate_ranking",
    # the package
    "__version__",
]

register_environments()
protect_forks()

if not TYPE_CHECKING:  # a type checker reads the imports above, and refuses other names
    _MODULES = {
        "Catalogue": "data.catalogue",
        "InteractionLog": "data.log",
        "load": "data.loading",
        "generate_world": "data.world.generated",
        "LanguageUser": "users.language",
        "PromptedUser": "users.prompted",
        "ModelServer": "users.prompting.server",
        "TrueTasteUser": "users.true_taste",
        "UserSimulator": "users.base",
        "HistoryUser": "users.base",
        "Response": "users.base",
        "NextItemEnv": "envs.next_item.env",
        "NextItemVectorEnv": "envs.next_item.vector_env",
        "SlateEnv": "envs.slate.env",
        "SlateVectorEnv": "envs.slate.vector_env",
        "ShopEnv": "envs.shop.env",
        "ShopVectorEnv": "envs.shop.vector_env",
        "make_vec_env": "envs.sb3",
        "transitions": "offline.transitions",
        "evaluate_policy": "evaluation.returns",
        "evaluate_agent": "evaluation.agents",
        "compare_agents": "evaluation.agents",
        "policy_ranking": "evaluation.policy_ranking",
        "evaluate_ranking": "evaluation.ranking",
    }

    def __getattr__(name: str) -> object:
        """Load a public name on first use."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_MODULES})
