"""Recommend the next item to one simulated user: ``gym.make("LLMRec/NextItem-v0")``."""

from __future__ import annotations

import os
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded

from llmrec_env.common.arrays import BoolArray, IntArray
from llmrec_env.data.log import InteractionLog
from llmrec_env.envs.common.checks import check_action, check_options, check_render_mode
from llmrec_env.envs.common.registration import limit_of_make
from llmrec_env.envs.next_item import rendering
from llmrec_env.envs.next_item.infos import MAX_MASKED_ITEMS, InfoBuilder, row_of
from llmrec_env.envs.next_item.observations import Observation, ObservationBuilder, first
from llmrec_env.envs.next_item.rules import NextItemRules, Outcome
from llmrec_env.envs.next_item.simulators import resolve_simulator
from llmrec_env.users.base import UserSimulator

ONE_ROW = np.zeros(1, dtype=np.int64)
PLAYING = np.ones(1, dtype=np.bool_)


class NextItemEnv(gym.Env[Observation, np.int64]):
    """Recommend one item a step to a simulated user who likes, takes or skips it.

    ## Description
    A user who already took some items is shown one item at a time. The user likes it more or less,
    takes it or skips it, and changes with what is taken. Skips in a row use up the user's patience;
    without patience the user leaves. The agent is to find items that this user likes and has not
    seen. How the user answers is up to the `simulator`: a language model that was adapted to a log
    of real interactions, or the known truth of a generated world.

    ## Action Space
    `Discrete(n_items)`: the index of the item to show. An item is *seen* once it stands in the
    initial history or was shown in this episode, taken or not. Showing a seen item is allowed and
    useless; `action_masks()` is true where an item is unseen.

    ## Observation Space
    With `observation="state"`, `Box(-1, 1, (state_size + 3,), float32)`:

    | Index | Meaning | Values |
    |---|---|---|
    | 0 to state_size - 1 | the user's state, of length 1 for a language user | [-1, 1] |
    | -3 | patience left, as a share of `patience` | [0, 1] |
    | -2 | steps left, as a share of the time limit; 1 where there is none | [0, 1] |
    | -1 | the last answer: skipped, none yet, taken | -1, 0, 1 |

    With `observation="history"`, `Box(0, n_items, (history_length,), int64)`: the last items that
    the user took, most recent last, padded on the left with `n_items`. With `observation="both"`, a
    `Dict` of the two under `"state"` and `"history"`.

    ## Starting State
    A user of the simulator's held-out `users`, drawn with the environment's seed among those with
    enough interactions, or the one that `reset(options={"user_id": ...})` names. The opening
    history is the first half of the user's sequence, at least 3 items; at least one item stays out.

    ## Rewards
    The user's liking of the item shown, in [0, 1], taken or not; with `reward_on="accept"` only
    where it is taken. A seen item earns 0. Both terms are in `info["rewards"]`.

    ## Episode End
    Termination: the user's patience is used up (`patience` skips in a row; taking an item restores
    it), or the user has seen every item. Truncation: `max_episode_steps` of the specification, 50
    by default, which `gym.make` applies.

    ## Information
    `reset` gives `user_id`; `step` adds `item_id`, `title`, `accepted` and `rewards` (a dictionary
    of the terms `"shown"` and `"accept"`). Both give `action_mask` (int8, as `Discrete.sample`
    takes it), or, without a mask, `seen` (int64, the seen items in ascending order).

    ## Arguments
    * `simulator`: a `UserSimulator`, the folder of a saved language user, `"embedded"` (the
      language user that ships with the package, the default of `LLMRec/NextItem-v0`) or
      `"true-taste"` (the default of `LLMRec/TrueTaste-v0`, no language model).
    * `users`: an `InteractionLog` whose users start the episodes, instead of the simulator's own.
    * `observation`: `"state"`, `"history"` or `"both"`.
    * `reward_on`: `"shown"` or `"accept"`.
    * `patience`: skips in a row that a user bears.
    * `accept_rate`: mean probability that a uniformly shown item is taken; None leaves it as the
      simulator has it.
    * `history_length`: items in the history observation.
    * `action_mask`: whether `info` has a mask; None means up to 50,000 items.
    * `render_mode`: `"ansi"` (text from `render()`), `"human"` (printed at every step) or None.
    * `device`, `dtype`: where a language model that is loaded from a folder runs (`"cuda"`; the CPU
      by default), and in what (`"float32"`, `"bfloat16"`; by default bfloat16 on a GPU that
      computes in it, else float32).

    ```python
    import gymnasium as gym, llmrec_env
    env = gym.make("LLMRec/NextItem-v0", patience=3, max_episode_steps=20)
    ```

    ## Version History
    * v0: first version.
    """

    metadata = {"render_modes": list(rendering.MODES), "render_fps": 4}  # noqa: RUF012

    def __init__(
        self,
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
    ) -> None:
        self.simulator = resolve_simulator(simulator, users, accept_rate, device, dtype)
        self.rules = NextItemRules(self.simulator, 1, patience, reward_on, history_length)
        self.render_mode = check_render_mode(render_mode)
        self._limit = limit_of_make()
        self._observation_builder = ObservationBuilder(self.rules, observation, self._limit)
        self._masked = self.n_items <= MAX_MASKED_ITEMS if action_mask is None else action_mask
        self._info_builder = InfoBuilder(self.rules, self._masked)
        self._last: tuple[IntArray, Outcome] | None = None
        self._playing = False
        self.observation_space = self._observation_builder.space
        self.action_space = gym.spaces.Discrete(self.n_items)

    @property
    def n_items(self) -> int:
        """Number of items that can be shown."""
        return self.rules.n_items

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode.

        Args:
            seed: seeds the environment's generator; None carries on with it.
            options: ``{"user_id": external id}`` names the user.

        Raises:
            DataError: the user is unknown or has too few interactions.
            SettingError: an option has another name.
        """
        super().reset(seed=seed)
        user_id = check_options(options, "user_id").get("user_id")
        self.rules.generators = [self.np_random]
        self.rules.begin(ONE_ROW, [user_id])
        self._last = None
        self._playing = True
        self._show()
        return first(self._observation_builder.observe()), self._info()

    def step(self, action: int | np.int64) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Show the user an item.

        Raises:
            ResetNeeded: no episode is going on.
            InvalidAction: there is no such item.
        """
        if not self._playing:
            raise ResetNeeded("no episode is going on: call reset() first, and after termination")
        actions = check_action(action, self.n_items)
        outcome = self.rules.step(actions, PLAYING)
        self._last = actions, outcome
        terminated = bool(outcome.left[0])
        self._playing = not terminated
        self._show()
        reward = float(outcome.rewards[self.rules.reward_on][0])
        return first(self._observation_builder.observe()), reward, terminated, False, self._info()

    def action_masks(self) -> BoolArray:
        """Bool (n_items,), true where the item is unseen (the name that sb3-contrib looks for)."""
        return self.rules.seen.unseen_masks()[0]

    def render(self) -> str | None:  # type: ignore[override]
        """The user as text with ``render_mode="ansi"``; printed with ``"human"``."""
        if self.render_mode is None:
            gym.logger.warn(
                'render() shows nothing: pass render_mode="ansi" or "human" to gym.make'
            )
            return None
        text = self._draw()
        if self.render_mode == "ansi":
            return text
        rendering.show(text)
        return None

    def _show(self) -> None:
        if self.render_mode == "human":
            self.render()

    def _draw(self) -> str:
        return rendering.draw(self.rules, 0, self._last, self._limit)

    def _info(self) -> dict[str, Any]:
        columns = self._info_builder.user_columns()
        if self._last is not None:
            columns |= self._info_builder.step_columns(*self._last)
        info = row_of(columns, 0)
        if not self._masked:
            info["seen"] = self.rules.seen.of(0)
        return info
