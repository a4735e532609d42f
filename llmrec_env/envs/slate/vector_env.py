"""``SlateVectorEnv``: show lists of items to many simulated users at once, ``gym.make_vec``."""

from __future__ import annotations

import os
from typing import Any

from llmrec_env.data.log import InteractionLog
from llmrec_env.envs.common.arguments import named_arguments
from llmrec_env.envs.common.vector import RulesVectorEnv
from llmrec_env.envs.next_item.action_arguments import resolve_choices
from llmrec_env.envs.next_item.doubt import resolve_doubt
from llmrec_env.envs.next_item.infos import tells_masks
from llmrec_env.envs.next_item.leaving import PATIENCE
from llmrec_env.envs.next_item.observations import ObservationBuilder
from llmrec_env.envs.next_item.settings import NextItemSettings
from llmrec_env.envs.next_item.simulators import resolve_simulator
from llmrec_env.envs.next_item.users_in_episodes import SHOWN_LENGTH
from llmrec_env.envs.slate.infos import SlateInfos
from llmrec_env.envs.slate.rendering import draw
from llmrec_env.envs.slate.rules import SlateOutcome, SlateRules
from llmrec_env.users.base import UserSimulator


class SlateVectorEnv(NextItemSettings, RulesVectorEnv[SlateOutcome]):
    """:class:`SlateEnv` for many users at once: the simulator answers all of them in one batch.

    Rows, seeds, `autoreset` and `reset(options=…)` are as of :class:`NextItemVectorEnv`, what
    happens in a row is as in :class:`SlateEnv`. Actions are integers `(num_envs, slate_size)`. In
    `infos`, `slate`, `look_probability` and `replaced` are `(num_envs, slate_size)`; `action_mask`,
    int8 `(num_envs, n_items)`, the same for every place, is there with `action_mask=True` only;
    `action_masks()`, bool `(num_envs, slate_size * n_items)`, always answers.

    ```python
    import gymnasium as gym, llmrec_env
    envs = gym.make_vec("LLMRec/Slate-v0", num_envs=64, slate_size=5, autoreset="same_step")
    ```

    ## Version History
    * v0: first version.
    """

    rules: SlateRules
    draw = staticmethod(draw)

    @named_arguments
    def __init__(
        self,
        num_envs: int = 1,
        max_episode_steps: int | None = None,
        autoreset: str = "next_step",
        simulator: UserSimulator | str | os.PathLike[str] | None = None,
        users: InteractionLog | None = None,
        slate_size: int = 10,
        position_bias: float = 1.0,
        observation: str = "state",
        reward_on: str = "list",
        patience: int = 5,
        accept_rate: float | None = None,
        history_length: int = 50,
        action_mask: bool | None = None,
        render_mode: str | None = None,
        device: str | None = None,
        dtype: str | None = None,
        seen: str = "replace",
        shown_length: int = SHOWN_LENGTH,
        candidates: int | None = None,
        retrieve: Any = None,
        remember_skips: bool | None = None,
        pessimism: float | None = None,
        quantile: float | None = None,
        support_penalty: float | None = None,
        randomise: str | None = None,
        leaving: str = PATIENCE,
    ) -> None:
        self.simulator = resolve_simulator(
            simulator, users, accept_rate, device, dtype, remember_skips
        )
        rules = SlateRules(
            self.simulator,
            num_envs,
            slate_size,
            position_bias,
            patience,
            reward_on,
            history_length,
            seen,
            shown_length,
            resolve_choices(self.simulator, candidates, retrieve),
            resolve_doubt(self.simulator, pessimism, quantile, support_penalty, randomise),
            leaving,
        )
        self.n_items = rules.n_items
        super().__init__(
            rules,
            ObservationBuilder(rules, observation),
            SlateInfos(rules, tells_masks(rules, False if action_mask is None else action_mask)),
            max_episode_steps,
            autoreset,
            render_mode,
        )
