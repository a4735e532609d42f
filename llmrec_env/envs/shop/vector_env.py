"""``ShopVectorEnv``: many agents shop at once, ``gym.make_vec("LLMRec/Shop-v0", num_envs=64)``."""

from __future__ import annotations

import os

from llmrec_env.envs.common.arguments import named_arguments
from llmrec_env.envs.common.vector import RulesVectorEnv
from llmrec_env.envs.shop.goals import Goal, GoalSet
from llmrec_env.envs.shop.inventory import CatalogueSource
from llmrec_env.envs.shop.protocol.protocol import ShopProtocol
from llmrec_env.envs.shop.reward import RewardRule
from llmrec_env.envs.shop.rules import Outcome, ShopRules
from llmrec_env.envs.shop.shop import Shop
from llmrec_env.envs.shop.shopper import ActionSettings
from llmrec_env.envs.shop.views.prompt import PROMPT_TOKENS, PromptView
from llmrec_env.envs.shop.views.shop_view import ShopView, draw
from llmrec_env.envs.text.budget import Pieces


class ShopVectorEnv(RulesVectorEnv[Outcome]):
    """:class:`llmrec_env.envs.shop.env.ShopEnv` for many shoppers, who share one shop.

    ## Description
    Row `i`, seeded with `s`, behaves like the single environment seeded with `s + i`: each row has
    a generator of its own, which an auto-reset never seeds anew.

    ## Action Space
    A sequence of `num_envs` texts, or int64 `(num_envs,)` in index mode.

    ## Observation Space
    That of the single environment, batched by Gymnasium: a tuple of texts, or a `Dict` whose arrays
    have `num_envs` rows.

    ## Episode End
    As in :class:`NextItemVectorEnv`: `autoreset` is `"next_step"`,
    `"same_step"` (what an episode ended with is in `infos["final_obs"]` and
    `infos["final_info"]`) or `"disabled"` (`reset(options={"reset_mask": ...})`).

    ## Information
    As the single environment, in arrays of `num_envs` rows with Gymnasium's masks: the value of a
    row under `key` holds where `infos["_key"]` is true. `rewards` is a dictionary of such arrays.

    ## Arguments
    As the single environment, and `num_envs` and `autoreset`. `gym.make_vec` passes
    `max_episode_steps`, 15 by default; None sets no limit. `reset(options={"goal": ...})` takes a
    sequence of `num_envs` indices, None where the row draws its goal.

    ```python
    import gymnasium as gym, llmrec_env
    envs = gym.make_vec("LLMRec/Shop-v0", num_envs=64, autoreset="same_step")
    ```

    ## Version History
    * v0: first version.
    """

    rules: ShopRules
    draw = staticmethod(draw)

    @named_arguments
    def __init__(
        self,
        num_envs: int = 1,
        max_episode_steps: int | None = None,
        autoreset: str = "next_step",
        catalogue: CatalogueSource = None,
        instructions: str | os.PathLike[str] | GoalSet | None = None,
        reward: str | RewardRule | None = None,
        split: str = "train",
        split_by: str | None = None,
        goals_per_product: int | None = None,
        goal_seed: int | None = None,
        protocol: str | os.PathLike[str] | ShopProtocol | None = None,
        observation: str = "text_rich",
        action_mode: str = "text",
        max_actions: int = 100,
        invalid_penalty: float = 0.0,
        prompt_tokens: int = PROMPT_TOKENS,
        pieces: Pieces | None = None,
        render_mode: str | None = None,
    ) -> None:
        self.shop = Shop(
            catalogue, instructions, reward, goal_seed, split, split_by, goals_per_product, protocol
        )
        self.shop.check_limits("max_episode_steps", max_episode_steps, prompt_tokens)
        self.action_settings = ActionSettings(action_mode, max_actions, invalid_penalty)
        rules = ShopRules(self.shop, self.action_settings, num_envs)
        view = ShopView(rules, observation, PromptView(prompt_tokens, pieces))
        super().__init__(rules, view, view, max_episode_steps, autoreset, render_mode)
        self.shoppers = rules.shoppers

    @property
    def goals(self) -> list[Goal]:
        """The goals of the split."""
        return self.shop.goals
