"""The shop and the recommender as OpenEnv servers, and clients of those.

OpenEnv wants newer libraries than this package's tests run with, so ``all`` does not bring it:
install the extra ``openenv`` in an environment of its own.
"""

from llmrec_env.envs.language_agents.openenv.app import recommend_app, shop_app
from llmrec_env.envs.language_agents.openenv.clients import RecommendClient, ShopClient
from llmrec_env.envs.language_agents.openenv.models import (
    RecommendObservation,
    RecommendState,
    ShopObservation,
    ShopState,
    TextAction,
)

__all__ = [
    "RecommendClient",
    "RecommendObservation",
    "RecommendState",
    "ShopClient",
    "ShopObservation",
    "ShopState",
    "TextAction",
    "recommend_app",
    "shop_app",
]
