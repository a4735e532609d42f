"""``NextItemEnv``: recommend items to one simulated user, ``gym.make("LLMRec/NextItem-v1")``."""

from __future__ import annotations

import os
from typing import Any

from llmrec_env.data.log import InteractionLog
from llmrec_env.envs.common.arguments import named_arguments
from llmrec_env.envs.common.single import RulesEnv
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


class NextItemEnv(NextItemSettings, RulesEnv[Outcome]):
    """Recommend one item a step to a simulated user who likes, takes or skips it.

    ## Description
    A user who already took some items is shown one item at a time. The user likes it more or less,
    takes it or skips it, and changes with what is taken. Skips in a row use up the user's patience;
    without patience the user leaves. The agent is to find items that this user likes and has not
    seen. How the user answers is up to the `simulator`: a language model that was adapted to a log
    of real interactions, or the known truth of a generated world.

    ## Action Space
    `Discrete(n_items)`: the index of the item to show. An item is *seen* once it stands in the
    initial history or was shown in this episode, taken or not. As on real platforms, nobody is
    shown an item again: with `seen="replace"` the unseen item nearest to it in item space is shown
    in its place, so an agent without masks can learn; with `seen="pay_nothing"` the seen item is
    shown, earns nothing and is skipped. `action_masks()` is true where an action stands for an
    unseen item.

    With `actions="embedding"`, `Box(-1, 1, (d,), float32)`: a point in item space; the unseen item
    nearest to it is shown. Points outside are moved to the border; NaN is refused. No masks.

    With `candidates=K`, `Discrete(K)`: a place in a list of items that `retrieve` names anew after
    every step, best first, for catalogues too large to be an action space. Where fewer are left the
    first fills the places that are over, masked.

    *Item space* is `simulator.item_vectors`, reduced to their d <= 16 first principal components
    and scaled to [-1, 1] (:class:`llmrec_env.users.item_space.ItemSpace`). Above 50,000 items the
    nearest is looked up by faiss (`pip install llmrec-env[ann]`).

    ## Observation Space
    With `observation="state"`, a `Box(-1, 1, dtype=float32)` of these parts in this order, where s
    is `state_size`, d the axes of item space and L `shown_length`:

    | Numbers | Meaning | Values |
    |---|---|---|
    | s | the user's state, of length 1 for a language user | [-1, 1] |
    | 1 | patience left, as a share of `patience` | [0, 1] |
    | 1 | steps left, as a share of the time limit; 1 where there is none | [0, 1] |
    | 1 | the last answer: skipped, none yet, taken | -1, 0, 1 |
    | d | the mean point of all items shown in the episode; 0 before the first | [-1, 1] |
    | L * d | where the last L items shown lie, most recent last; 0 before the first | [-1, 1] |
    | L | how the user answered each of them: skipped, none, taken | -1, 0, 1 |
    | K * (4 + d) | with `candidates=K`, the features of each of them | [-1, 1] |

    The features of a candidate: its score, centred and scaled within the list; its popularity
    (logarithm of its count); its closeness to the last item taken and to the mean of those shown
    (cosines); and its point in item space.

    With `shown_length=0` the observation ends after the last answer (unless there are candidates).

    With `observation="bare_state"`, `Box(-1, 1, (state_size,), float32)`: the state alone, as
    offline datasets have it, for agents that learned from one. It does not tell how much patience
    and time are left, so what it shows is not the whole state of the game.

    With `observation="history"`, `Box(0, n_items, (history_length,), int64)`: the last items that
    the user took, most recent last, padded on the left with `n_items`. With `observation="both"`, a
    `Dict` of the two under `"state"` and `"history"`.

    ## Starting State
    A user of the simulator's held-out `users`, drawn with the environment's seed among those with
    enough interactions, or the one that `reset(options={"user_id": ...})` names. The same seed
    gives the same episodes on the same machine with the same number of threads
    (`torch.set_num_threads`): another number changes the last digits of a language model's answers,
    and so, rarely, whether an item is taken. The initial
    history is the first half of the user's sequence, at least 3 items; at least one item stays out.

    ## Rewards
    The user's liking of the item shown, in [0, 1], taken or not; with `reward_on="accept"` only
    where it is taken. `reward_on="chance"` pays the probability of taking it, the user's other
    answer. A seen item that is not replaced earns 0. All terms are in `info["rewards"]`.

    ## Episode End
    Termination: the user's patience is used up (`patience` skips in a row; taking an item restores
    it), or the user has seen every item; with `leaving="learned"` also by a chance that the
    simulator learned. Truncation: after `max_episode_steps`.

    ## Information
    `user_id`, and of the last step `item_id`, `title`, `accepted` and `rewards` (a dictionary of
    the terms `"shown"`, `"accept"` and `"chance"`), which `reset` gives too: empty, false, and
    zeros; with `seen="replace"` also `replaced`, whether the item stood in the place of a seen
    one; with candidates the `candidates` of the next step (int64, their item indices). Of an
    ensemble, `uncertainty` and `accept_uncertainty`: the standard deviation over its members of the
    shown item's reward and of the probability that it is taken. Where rewards are lowered,
    `simulated_reward`: the liking as it was simulated, while `rewards` has what is paid. With
    `randomise` the `member` that answers. Then
    `action_mask` (int8, as `Discrete.sample` takes it), or, without a mask, `seen` (int64, the seen
    items in ascending order). Libraries that store infos as numbers (TorchRL, Minari) take neither
    texts nor dictionaries: put `NumericInfo` of `llmrec_env.envs.common.infos` around the
    environment, `VectorNumericInfo` around a vector environment.

    ## Arguments
    * `simulator`: a `UserSimulator`, the folder of a saved language user, `"embedded"` (the
      language user that ships with the package, the default of `LLMRec/NextItem-v1`) or
      `"true-taste"` (the default of `LLMRec/TrueTaste-v1`, no language model), or
      `"true-taste:NAME"`, the true users of another generated world.
    * `users`: an `InteractionLog` whose users start the episodes, instead of the simulator's own.
    * `observation`: `"state"`, `"bare_state"`, `"history"` or `"both"`.
    * `reward_on`: `"shown"`, `"accept"` or `"chance"`.
    * `patience`: skips in a row that a user bears.
    * `leaving`: `"patience"`, or `"learned"`: users may leave after an item that they took, with
      the chance that the sessions of the log taught the simulator (by how many were taken, how
      they were liked, how alike they were), one draw a step more; skips use up patience as before,
      unless the log told them too, with its sessions. An LE knows it whose log has sessions: its
      `tells_leaving` says so.
    * `accept_rate`: mean probability that a uniformly shown item is taken; None leaves it as the
      simulator has it.
    * `history_length`: items in the history observation.
    * `action_mask`: whether `info` has a mask; None means up to 50,000 items.
    * `max_episode_steps`: steps after which an episode is cut, and of which "steps left" is a
      share. `gym.make` takes it too, 50 by default, -1 for no limit; built by hand, None is no
      limit. A `TimeLimit` that you put around yourself is not known inside: pass this instead, or
      call `llmrec_env.envs.common.time_limit.tell_limit` on the result.
      `env.unwrapped.max_episode_steps` can be set to less later, and `patience` and `reward_on` to
      anything, for a curriculum; they hold at once. Through wrappers,
      `env.set_wrapper_attr("patience", 3)` does it, and `set_attr` of vector environments; other
      arguments cannot be set. (SB3's own `DummyVecEnv.set_attr` sets an attribute of the outermost
      wrapper, which nobody reads: call `env_method("set_wrapper_attr", "patience", 3)` there.)
    * `render_mode`: `"ansi"` (text from `render()`), `"human"` (printed at every step) or None.
    * `seen`: what becomes of a seen item, `"replace"` or `"pay_nothing"`.
    * `shown_length`: how many of the last items shown are observed.
    * `actions`: `"item"` or `"embedding"` (the default of `LLMRec/ItemEmbedding-v0`).
    * `candidates`: length of the list of candidates; None makes every item an action.
    * `retrieve`: who names the candidates: None (the simulator's own action model), anything with
      `action_scores` over all items, such as a fitted recommender of `agents`, or a function of
      (users, K), see :mod:`llmrec_env.envs.next_item.retrieval`. Candidates that a user has seen
      are masked.
    * `remember_skips`: whether a language user remembers what they skipped in this episode (they
      read a token of it, and their state moves with it; a step costs more); None leaves it as the
      simulator has it, by default not. It takes an LE that learned what a skip says. A seen item
      that earns nothing leaves no trace either way.
    * `device`, `dtype`: where a language model that is loaded from a folder runs (`"cuda"`; the CPU
      by default), and in what (`"float32"`, `"bfloat16"`; by default bfloat16 on a GPU that
      computes in it, else float32).
    * `pessimism`, `quantile`, `support_penalty`, `randomise`: what is paid where the simulator may
      be wrong (:mod:`llmrec_env.envs.next_item.doubt`), without the agent knowing. All but
      `support_penalty` take an ensemble: an LE that `llmrec ensemble` gave members, or a
      `UserEnsemble`. `pessimism=1.0` pays the mean of the members' rewards less so many of their
      standard deviations, `quantile=0.2` a lower quantile of them; `support_penalty=0.5` takes up
      to that share from an item that the log's users with such a history hardly took;
      `randomise="episode"` lets one member, drawn with the episode, answer alone. Rewards stay in
      [0, 1]. Whether an item is taken is decided as without them, but that a drawn member decides.

    ```python
    import gymnasium as gym, llmrec_env
    env = gym.make("LLMRec/NextItem-v1", patience=3, max_episode_steps=20)
    ```

    ## Version History
    * v1: seen items are replaced by the nearest unseen one, and the observation tells what was
      shown, so that standard agents can win without masks.
    * v0: first version: `seen="pay_nothing", shown_length=0`.
    """

    rules: NextItemRules
    draw = staticmethod(draw)

    @named_arguments
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
        max_episode_steps: int | None = None,
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
            1,
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
            InfoBuilder(rules, tells_masks(rules, action_mask)),
            max_episode_steps,
            render_mode,
        )
