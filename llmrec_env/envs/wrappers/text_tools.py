"""``TextTools``: an agent that reads and writes searches, looks at items and recommends."""

from __future__ import annotations

import copy
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.vector.utils import batch_space

from llmrec_env.common.arrays import BoolArray
from llmrec_env.common.checks import check_number
from llmrec_env.common.errors import SettingError
from llmrec_env.envs.common.infos import objects, with_masks
from llmrec_env.envs.common.single import FIRST
from llmrec_env.envs.next_item.actions import ItemActions
from llmrec_env.envs.next_item.rules import NextItemRules
from llmrec_env.envs.text.engine import SearchEngine
from llmrec_env.envs.wrappers.conversations import GREETING, MANUAL, Conversations, Decision
from llmrec_env.envs.wrappers.item_texts import ItemTexts, item_texts
from llmrec_env.envs.wrappers.shaping import rules_of
from llmrec_env.envs.wrappers.tool_calls import schemas


class TextTools(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """The recommender that talks: texts to read, tools to call, and the same user who judges.

    ## Action Space
    `Text`: `search[words]`, `look[item id or title]` or `recommend[item id or title]`, or the same
    as JSON, as language models write tool calls: `{"tool": "search", "query": "words"}`,
    `{"name": "recommend", "arguments": {"item": "i12"}}`. :meth:`tools` has their schemas for an
    interface of language models, :attr:`manual` says in words what to do.

    A search lists items that the user has not seen, a look tells all about one; each costs a turn
    and nothing else. To recommend is a step of the environment inside. What is no action, or names
    no item, changes nothing but costs a turn and earns `bad_call`; the observation says in one line
    what was wrong.

    ## Observation Space
    `Text`: what the user took before, what was recommended and how it was answered, what is left,
    and what the last action brought. Every title is one line without control characters.

    ## Rewards
    Those of the environment inside for what is recommended, 0 else.

    ## Episode End
    That of the environment inside; truncation also after `max_turns`.

    ## Information
    As inside, with `tool` (`"search"`, `"look"`, `"recommend"` or, where the action was none,
    `""`), `turns` (so far) and `hits` (a tuple of the ids that were found). What tells of the last
    step is empty where nothing was recommended.

    ## Arguments
    * `env`: an environment whose actions are a catalogue's items, such as `LLMRec/NextItem-v1`.
      Many users at once: :class:`VectorTextTools`.
    * `max_turns`: actions of an episode, of any kind.
    * `hits`: items that a search finds, at most.
    * `remembered`: of the items taken, as far as the environment's `history_length` goes, and of
      those recommended, the last so many are told.
    * `bad_call`: the reward of an action that is none.
    * `search`: finds rows of the catalogue, `search(query, k)`; BM25 over titles and descriptions
      where None, which needs the extra `shop`.
    """

    manual = MANUAL

    def __init__(
        self,
        env: gym.Env[Any, Any],
        max_turns: int = 100,
        hits: int = 5,
        remembered: int = 10,
        bad_call: float = 0.0,
        search: SearchEngine | None = None,
    ) -> None:
        gym.utils.RecordConstructorArgs.__init__(
            self,
            _disable_deepcopy=True,
            max_turns=max_turns,
            hits=hits,
            remembered=remembered,
            bad_call=bad_call,
            search=search,
        )
        super().__init__(env)
        self._talk = _conversations(env, max_turns, hits, remembered, search)
        self.max_turns = max_turns
        self._bad_call = check_number("bad_call", bad_call)
        self._playing = False
        self.observation_space = self._talk.pages
        self.action_space = self._talk.actions

    @staticmethod
    def tools() -> list[dict[str, Any]]:
        """The tools' JSON schemas, as OpenAI's and other interfaces take them (``tools=``)."""
        return schemas()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Start an episode, as the environment does."""
        _, info = self.env.reset(seed=seed, options=options)
        self._opening = self._info = info
        self._talk.begin(FIRST)
        self._playing = True
        return self._talk.page(0, GREETING), self._told(Decision("", ""))

    def step(self, action: Any) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Search, or recommend.

        Raises:
            ResetNeeded: no episode is going on.
        """
        if not self._playing:
            raise ResetNeeded("no episode is going on: call reset() first, and after the end")
        decision = self._talk.read(0, action)
        reward, terminated, truncated = 0.0 if decision.tool else self._bad_call, False, False
        if decision.tool == "recommend":
            _, paid, terminated, truncated, self._info = self.env.step(decision.item)
            reward = float(paid)
        message = self._talk.answer(0, decision, self.env.unwrapped.outcome)  # type: ignore[attr-defined]
        truncated = truncated or bool(self._talk.over()[0])
        self._playing = not (terminated or truncated)
        page = self._talk.page(0, message)
        return page, reward, terminated, truncated, self._told(decision)

    def _told(self, decision: Decision) -> dict[str, Any]:
        """The environment's info; without a step, only what holds still."""
        info = self._info
        if decision.tool != "recommend":
            now = {name: info[name] for name in ("action_mask", "seen") if name in info}
            info = self._opening | now
        turns = int(self._talk.turns[0])
        told = {"tool": decision.tool, "hits": decision.hits, "turns": turns}
        return copy.deepcopy(info) | told


class VectorTextTools(gym.vector.VectorWrapper, gym.utils.RecordConstructorArgs):
    """:class:`TextTools` for a batched environment: those who are recommended to answer together.

    Observations and actions are a text a row, in a tuple. A row that searches, or whose action is
    none, sits out the step.

    Args:
        env: a batched environment whose actions are items, with ``autoreset="next_step"`` or
            ``"disabled"``. Put ``VectorReturnAtEnd`` around, not inside: ``max_turns`` is counted
            here.
        max_turns, hits, remembered, bad_call, search: as there.

    Raises:
        SettingError: an argument is out of range, or the environment is another.
    """

    manual = MANUAL
    tools = staticmethod(schemas)

    def __init__(
        self,
        env: gym.vector.VectorEnv[Any, Any, Any],
        max_turns: int = 100,
        hits: int = 5,
        remembered: int = 10,
        bad_call: float = 0.0,
        search: SearchEngine | None = None,
    ) -> None:
        gym.utils.RecordConstructorArgs.__init__(
            self,
            _disable_deepcopy=True,
            max_turns=max_turns,
            hits=hits,
            remembered=remembered,
            bad_call=bad_call,
            search=search,
        )
        super().__init__(env)
        self._talk = _conversations(env, max_turns, hits, remembered, search)
        if env.unwrapped.autoreset == "same_step":
            raise SettingError('texts need autoreset="next_step" or "disabled", not "same_step"')
        self.max_turns = max_turns
        self._bad_call = check_number("bad_call", bad_call)
        self._ended = np.zeros(env.num_envs, dtype=np.bool_)
        self._pages = [""] * env.num_envs
        self.single_observation_space = self._talk.pages
        self.single_action_space = self._talk.actions
        self.observation_space = batch_space(self._talk.pages, env.num_envs)
        self.action_space = batch_space(self._talk.actions, env.num_envs)

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start the episodes, as the environment does."""
        _, infos = self.env.reset(seed=seed, options=options)
        mask = (options or {}).get("reset_mask")
        rows = np.ones(self.num_envs, dtype=np.bool_) if mask is None else mask
        self._ended = self._ended & ~rows
        self._talk.begin(np.flatnonzero(rows))
        for row in np.flatnonzero(rows).tolist():
            self._pages[row] = self._talk.page(row, GREETING)
        return tuple(self._pages), infos | self._columns([Decision("", "")] * self.num_envs, rows)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Search or recommend, in each row.

        Raises:
            ResetNeeded: not reset yet, or rows have ended and ``autoreset`` is ``"disabled"``.
            InvalidAction: there is not one action a row.
        """
        starting = self._start_ended()
        decisions = self._decide(actions, starting)
        recommend = np.array([decision.tool == "recommend" for decision in decisions])
        none = np.array([not decision.tool for decision in decisions]) & ~starting
        items = np.array([decision.item for decision in decisions], dtype=np.int64)
        with self.env.unwrapped.resting(~recommend):
            _, rewards, terminated, truncated, infos = self.env.step(items)
        truncated = truncated | (~starting & self._talk.over())
        self._ended = terminated | truncated
        outcome = self.env.unwrapped.outcome
        self._pages = [
            self._talk.page(row, self._talk.answer(row, decision, outcome))
            for row, decision in enumerate(decisions)
        ]
        infos = infos | self._columns(decisions, np.ones_like(starting))
        return (
            tuple(self._pages),
            np.where(none, self._bad_call, rewards),
            terminated,
            truncated,
            infos,
        )

    def _start_ended(self) -> BoolArray:
        """Begin new episodes where they ended in the last step; these rows."""
        ended = self._ended
        if ended.any():
            if self.env.unwrapped.autoreset == "disabled":
                raise ResetNeeded(
                    f"the episodes of rows {np.flatnonzero(ended).tolist()} have ended: "
                    'call reset(options={"reset_mask": mask}) with autoreset="disabled"'
                )
            self.env.reset(options={"reset_mask": ended})
            self._talk.begin(np.flatnonzero(ended))
        return ended

    def _decide(self, actions: Any, starting: BoolArray) -> list[Decision]:
        if isinstance(actions, str) or len(actions) != self.num_envs:
            raise InvalidAction(f"expected a text for each of {self.num_envs} rows")
        greeting = Decision("", GREETING)
        return [
            greeting if starts else self._talk.read(row, action)
            for row, (action, starts) in enumerate(zip(actions, starting, strict=True))
        ]

    def _columns(self, decisions: list[Decision], rows: BoolArray) -> dict[str, Any]:
        """What the decisions were, in Gymnasium's vector form."""
        columns = {
            "tool": objects([decision.tool for decision in decisions]),
            "hits": objects([decision.hits for decision in decisions]),
            "turns": self._talk.turns.copy(),
        }
        return with_masks(columns, rows)


def _conversations(
    env: Any, max_turns: int, hits: int, remembered: int, search: SearchEngine | None
) -> Conversations:
    rules = rules_of(env)
    if not (isinstance(rules, NextItemRules) and isinstance(rules.actions, ItemActions)):
        raise SettingError(
            f"an action must be an item, not candidates, points or lists as in {env.action_space}"
        )
    catalogue = rules.simulator.catalogue
    texts = item_texts(catalogue) if search is None else ItemTexts(catalogue, search)
    return Conversations(rules, texts, max_turns, hits, remembered)
