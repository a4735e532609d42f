"""``SlateEnv``: show lists of items to one simulated user, ``gym.make("LLMRec/Slate-v0")``."""

from __future__ import annotations

import os
from typing import Any

from llmrec_env.data.log import InteractionLog
from llmrec_env.envs.common.arguments import named_arguments
from llmrec_env.envs.common.single import RulesEnv
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


class SlateEnv(NextItemSettings, RulesEnv[SlateOutcome]):
    """Show a list of items a step to a simulated user, who takes one of them or none.

    ## Description
    The users, and how they like and take an item, are those of :class:`NextItemEnv`. They are shown
    a list of K items. The user looks down the list and looks closer at one item; that one is liked
    more or less, and taken or skipped. At place `j`, from 1, the user looks with probability

    `(1 / j) ** position_bias * exp(attraction)`, divided by the sum of these over the list.

    `attraction` is the logit that the user's own action model gives the item now: of a language
    user, what it expects to be taken next; of the generated world's true users, the utility by
    which they chose in the world's log. So within the list the user chooses as in the log, but for
    the places. A simulator without an action model has the places alone. The item looked at is the
    only one that the simulator answers about: a step costs one item, whatever K is.

    ## Action Space
    `MultiDiscrete([n_items] * slate_size)`: the items of the list, the uppermost first. An item is
    *seen* once it stands in the initial history or was looked at in this episode, taken or not; the
    others of a list stay unseen and can be shown again. A place is stale where its item is seen or
    stands further up in the list. With `seen="replace"`, the unseen item nearest to it that is not
    in the list is shown in its place (`info["replaced"]`); with `seen="pay_nothing"`, and where no
    unseen item is left, the user passes the place over.

    With `candidates=100`, `MultiDiscrete([100] * slate_size)`: places in the list of candidates
    that are retrieved for this user, as in :class:`NextItemEnv`.

    `action_masks()`, bool `(slate_size * n,)`, is true where an item is unseen, place after place,
    as sb3-contrib's `MaskablePPO` reads it. It takes that many bytes: where catalogues are large,
    take candidates.

    ## Observation Space
    As of :class:`NextItemEnv`: the state, the patience, steps left and last answer, then the mean
    of the items that were looked at in this episode, where the last `shown_length` of them lie and
    how each was answered, then the features of the candidates where there are some.

    ## Starting State
    As of :class:`NextItemEnv`.

    ## Rewards
    Two terms, both in `info["rewards"]`; `reward_on` says which is paid:

    * `"list"`: the liking of the item looked at, in [0, 1], taken or not. Its mean, for a list, is
      the liking of all its items weighted by how likely each is looked at.
    * `"taken"`: the same where the item is taken, else 0.

    Where all places are passed over, both are 0.

    ## Episode End
    Termination: the user's patience is used up (`patience` lists in a row of which nothing is
    taken; taking an item restores it), or the user has seen every item. Truncation: after
    `max_episode_steps`.

    ## Information
    `user_id`, and of the last step `item_id` and `title` of the item looked at, its `place` (from
    0; -1 where all were passed over), `accepted`, `rewards`, the list as it was shown (`slate`,
    int64 indices of items), `look_probability` (float32, of each place: the propensities that
    off-policy estimators ask for) and `replaced` (bool, of each place). `reset` gives them too:
    empty, -1, false, zeros, `n_items`. What :class:`NextItemEnv` tells of an ensemble is told of
    the item looked at. Then `action_mask`, a tuple with one int8 array a place, as
    `MultiDiscrete.sample` takes it, or, without a mask, `seen`.

    ## Arguments
    * `slate_size`: items in a list, K, 10 by default.
    * `position_bias`: at least 0; by the default of 1, place `j` weighs `1 / j`, with 0 places do
      not matter.
    * `reward_on`: `"list"` or `"taken"`.
    * `patience`: lists in a row, of which nothing is taken, that a user bears.
    * `seen`: `"replace"` or `"pay_nothing"`.
    * `simulator`, `users`, `observation`, `accept_rate`, `history_length`, `action_mask`,
      `max_episode_steps`, `render_mode`, `device`, `dtype`, `shown_length`, `candidates`,
      `retrieve`, `remember_skips`, `pessimism`, `quantile`, `support_penalty` and `randomise` (of
      the item looked at): as of :class:`NextItemEnv`.
      `simulator="true-taste"` has the true users of the generated world.

    ```python
    import gymnasium as gym, llmrec_env
    env = gym.make("LLMRec/Slate-v0", slate_size=5)
    ```

    ## Version History
    * v0: first version.
    """

    rules: SlateRules
    draw = staticmethod(draw)

    @named_arguments
    def __init__(
        self,
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
        max_episode_steps: int | None = None,
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
            1,
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
            SlateInfos(rules, tells_masks(rules, action_mask)),
            max_episode_steps,
            render_mode,
        )
