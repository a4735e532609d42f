"""The shop: Gymnasium environments after WebShop; an agent buys what an instruction asks for."""

from llmrec_env.envs.shop.catalogue import Product, ProductCatalogue, generate_catalogue
from llmrec_env.envs.shop.env import ShopEnv
from llmrec_env.envs.shop.goals import Goal, GoalSet
from llmrec_env.envs.shop.inventory import open_inventory
from llmrec_env.envs.shop.reward import (
    PublishedReward,
    Purchase,
    RepairedReward,
    RewardRule,
    Verdict,
)
from llmrec_env.envs.shop.shop import Shop
from llmrec_env.envs.shop.vector_env import ShopVectorEnv

__all__ = [
    "Goal",
    "GoalSet",
    "Product",
    "ProductCatalogue",
    "PublishedReward",
    "Purchase",
    "RepairedReward",
    "RewardRule",
    "Shop",
    "ShopEnv",
    "ShopVectorEnv",
    "Verdict",
    "generate_catalogue",
    "open_inventory",
]
