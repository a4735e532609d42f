"""``NextItemVectorEnv``: recommend items to many simulated users at once, ``gym.make_vec``."""

from __future__ import annotations

import os
from typing import Any

from llmrec_env.data.log import InteractionLog
from llmrec_env.envs.common.arguments import named_arguments
from llmrec_env.envs.common.vector import RulesVectorEnv
from llmrec_env.envs.next_item.action_arguments import resolve_actions
from llmrec_env.envs.next_item.doubt import resolve_doubt
from llmrec_env.envs.next_item.infos import InfoBuilder, tells_masks
from llmrec_env.envs.next_item.leaving import PATIENCE
from llmrec_env.envs.next_item.observations import ObservationBuilder
from llmrec_env.envs.next_item.rendering import draw
from llmrec_env.envs.next_item.rules import NextItemRules, Outcome
from llmrec_env.envs.next_item.settings import NextItemSettings
from llmrec_env.envs.next_item.simulators import resolve_simulator
from llmrec_env.envs.next_item.users_in_episodes import SHOWN_LENGTH
from llmrec_env.users.base import UserSimulator


class NextItemVectorEnv(NextItemSettings, RulesVectorEnv[Outcome]):
    """:class:`NextItemEnv` for many users at once: the simulator answers all of them in one batch.

    ## Description
    Row `i`, seeded with `s`, behaves like the single environment seeded with `s + i`: each row has
    a generator of its own, which an auto-reset never seeds anew. Actions, observations, starting
    state and rewards are those of :class:`NextItemEnv`, in arrays of `num_envs` rows. The last
    digits of a language model's answers depend on how many rows are asked at once and on the number
    of threads (`torch.set_num_threads`; a forked worker of `AsyncVectorEnv` has one).

    ## Episode End
    `autoreset` says what happens to a row whose episode ended, on every gymnasium version:

    * `"next_step"`: the next `step` ignores the row's action and returns the start of a new
      episode, reward 0.
    * `"same_step"`: the same `step` already returns the start of a new episode; the last
      observation is in `infos["final_obs"]`, what the step brought in `infos["final_info"]`.
      Vector wrappers of Gymnasium 1.0 do not know this mode (wrong episode lengths in
      `RecordEpisodeStatistics`, `final_obs` untouched by wrappers of observations): use
      `"next_step"` with them, or a later Gymnasium.
    * `"disabled"`: the caller resets with `reset(options={"reset_mask": ...})`, bool `(num_envs,)`.

    `metadata["autoreset_mode"]` says it too where gymnasium has the enum (1.1 and later).

    ## Information
    As :class:`NextItemEnv`, in arrays of `num_envs` rows with Gymnasium's masks: the value of a row
    under `key` holds where `infos["_key"]` is true. `action_mask`, int8 `(num_envs, number of
    actions)`, is there with `action_mask=True` only; `action_masks()` always answers. There is
    no `seen`.

    ## Arguments
    As :class:`NextItemEnv`, and `num_envs` and `autoreset`. `gym.make_vec` passes
    `max_episode_steps`, 50 by default; None sets no limit. `reset(options={"user_id": ...})` takes
    a sequence of `num_envs` external ids, None where the row draws its user.

    ```python
    import gymnasium as gym, llmrec_env
    envs = gym.make_vec("LLMRec/NextItem-v1", num_envs=64, autoreset="same_step")
    ```

    ## Version History
    As :class:`NextItemEnv`.
    """

    rules: NextItemRules
    draw = staticmethod(draw)

    @named_arguments
    def __init__(
        self,
        num_envs: int = 1,
        max_episode_steps: int | None = None,
        autoreset: str = "next_step",
        simulator: UserSimulator | str | os.PathLike[str] | None = None,
        users: InteractionLog | None = None,
        observation: str = "state",
        reward_on: str = "shown",
        patience: int = 5,
        accept_rate: float | None = None,
        history_length: int = 50,
        action_mask: bool | None = None,
        render_mode: str | None = None,
        device: str | None = None,
        dtype: str | None = None,
        seen: str = "replace",
        shown_length: int = SHOWN_LENGTH,
        actions: str = "item",
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
        rules = NextItemRules(
            self.simulator,
            num_envs,
            patience,
            reward_on,
            history_length,
            seen,
            shown_length,
            resolve_actions(self.simulator, actions, candidates, retrieve),
            resolve_doubt(self.simulator, pessimism, quantile, support_penalty, randomise),
            leaving,
        )
        self.n_items = rules.n_items
        super().__init__(
            rules,
            ObservationBuilder(rules, observation),
            InfoBuilder(rules, tells_masks(rules, False if action_mask is None else action_mask)),
            max_episode_steps,
            autoreset,
            render_mode,
        )
