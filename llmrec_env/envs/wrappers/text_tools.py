"""``TextTools``: an agent that reads and writes searches the catalogue and recommends."""

from __future__ import annotations

import copy
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded

from llmrec_env.common.errors import SettingError
from llmrec_env.envs.common.rendering import clean
from llmrec_env.envs.common.rules import check_counts
from llmrec_env.envs.next_item.actions import ItemActions
from llmrec_env.envs.shop.search.engine import SearchEngine
from llmrec_env.envs.shop.views.text_space import TextSpace
from llmrec_env.envs.wrappers.item_texts import (
    ID_WIDTH,
    TEXT_WIDTH,
    TITLE_WIDTH,
    ItemTexts,
    item_texts,
)
from llmrec_env.envs.wrappers.shaping import check_weight, rules_of
from llmrec_env.envs.wrappers.tool_calls import LONGEST_CALL, CallError, read_call, schemas

MANUAL = """\
You recommend items to one user, one at a time. The user takes an item or skips it, and leaves after
too many skips in a row. Find items that this user likes and has not seen yet.
Answer with one action and nothing else:
search[words] finds items in the catalogue. It costs a turn.
recommend[item id or title] shows an item to the user. It costs a turn."""
LABEL_WIDTH = TITLE_WIDTH + ID_WIDTH + len(" [] (skipped) | ")
MESSAGE_WIDTH = 3 * LABEL_WIDTH


class TextTools(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """The recommender that talks: texts to read, tools to call, and the same user who judges.

    ## Action Space
    `Text`: `search[words]` or `recommend[item id or title]`, or the same as JSON, as language
    models write tool calls: `{"tool": "search", "query": "words"}`, `{"name": "recommend",
    "arguments": {"item": "i12"}}`. :meth:`tools` has their schemas for an interface of language
    models, :attr:`manual` says in words what to do.

    A search lists items that the user has not seen, costs a turn and nothing else. To recommend is
    a step of the environment inside. What is no action, or names no item, changes nothing but costs
    a turn and earns `bad_call`; the observation says in one line what was wrong.

    ## Observation Space
    `Text`: what the user took before, what was recommended and how it was answered, what is left,
    and what the last action brought. Every title is one line without control characters.

    ## Rewards
    Those of the environment inside for what is recommended, 0 for a search.

    ## Episode End
    That of the environment inside; truncation also after `max_turns`.

    ## Information
    As inside, with `tool` (`"search"`, `"recommend"` or, where the action was none, `""`), `turns`
    (so far) and `hits` (a tuple of the ids that were found). What tells of the last step is empty
    after a search.

    ## Arguments
    * `env`: an environment whose actions are a catalogue's items, such as `LLMRec/NextItem-v1`.
      Many at once: `gym.make_vec(id, vectorization_mode="sync", wrappers=[TextTools])`.
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
        check_counts(max_turns=max_turns, hits=hits, remembered=remembered)
        super().__init__(env)
        self._rules = rules_of(env)
        if not isinstance(self._rules.actions, ItemActions):
            raise SettingError(
                f"actions must be items, not candidates or points as in {env.action_space}"
            )
        catalogue = self._rules.simulator.catalogue
        self._texts = item_texts(catalogue) if search is None else ItemTexts(catalogue, search)
        self.max_turns, self._hits, self._remembered = max_turns, hits, remembered
        self._bad_call = check_weight("bad_call", bad_call)
        self._playing = False
        known = self._texts.characters
        longest = (2 * remembered + 2) * LABEL_WIDTH + hits * (LABEL_WIDTH + TEXT_WIDTH)
        self.observation_space = TextSpace(longest + MESSAGE_WIDTH, charset=known)
        self.action_space = TextSpace(LONGEST_CALL, charset=known)

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
        self._recommended: list[str] = []
        self._turns = 0
        self._playing = True
        return self._page("A user has come."), self._told("", ())

    def step(self, action: Any) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Search, or recommend.

        Raises:
            ResetNeeded: no episode is going on.
        """
        if not self._playing:
            raise ResetNeeded("no episode is going on: call reset() first, and after the end")
        self._turns += 1
        try:
            call = read_call(action)
            if call.tool == "search":
                return self._search(call.text)
            item = self._texts.find(call.text)
        except CallError as error:
            return self._result(f"Not done: {error}", self._bad_call)
        return self._recommend(item)

    def _search(self, query: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        seen = set(self._rules.seen.of(0).tolist())
        items = self._texts.search(query, self._hits, seen)
        found = f"{len(items)} items that the user has not seen" if items else "nothing"
        lines = [f'You searched for "{clean(query, TITLE_WIDTH)}" and found {found}.']
        lines += map(self._texts.description, items)
        return self._result("\n".join(lines), 0.0, tool="search", items=items)

    def _recommend(self, item: int) -> tuple[str, float, bool, bool, dict[str, Any]]:
        seen = bool(self._rules.seen.has(np.array([item]))[0])
        _, reward, terminated, truncated, self._info = self.env.step(item)
        outcome = self.env.unwrapped.outcome  # type: ignore[attr-defined]
        shown, answer = int(outcome.items[0]), "taken" if outcome.accepted[0] else "skipped"
        self._recommended.append(f"{self._texts.label(shown)} ({answer})")
        told = f"You recommended {self._texts.label(item)}"
        if seen:
            told += ", which this user had seen already"
        if shown != item:
            told += f"; shown instead was {self._texts.label(shown)}"
        return self._result(
            f"{told}: {answer}.", float(reward), terminated, truncated, tool="recommend"
        )

    def _result(
        self,
        message: str,
        reward: float,
        terminated: bool = False,
        truncated: bool = False,
        tool: str = "",
        items: list[int] | None = None,
    ) -> tuple[str, float, bool, bool, dict[str, Any]]:
        truncated = truncated or self._turns >= self.max_turns
        self._playing = not (terminated or truncated)
        hits = tuple(map(self._texts.id_of, items or ()))
        return self._page(message), reward, terminated, truncated, self._told(tool, hits)

    def _told(self, tool: str, hits: tuple[str, ...]) -> dict[str, Any]:
        """The environment's info; without a step, only what holds still."""
        info = self._info
        if tool != "recommend":
            now = {name: info[name] for name in ("action_mask", "seen") if name in info}
            info = self._opening | now
        return copy.deepcopy(info) | {"tool": tool, "hits": hits, "turns": self._turns}

    def _page(self, message: str) -> str:
        """What is read; characters that the catalogue lacks, which the agent wrote, are ``?``."""
        rules = self._rules
        steps = "" if rules.limit is None else f"{rules.limit - rules.steps[0]} recommendations, "
        taken = [item for item in rules.recent[0].tolist() if item < rules.n_items]
        lines = [
            f"Taken so far: {_listed(list(map(self._texts.label, taken[-self._remembered :])))}",
            f"Recommended here: {_listed(self._recommended[-self._remembered :])}",
            f"Left: {self.max_turns - self._turns} turns, {steps}"
            f"{rules.patience_left[0]} skips in a row before the user leaves",
            message,
        ]
        text = "\n".join(lines)
        known = self._texts.characters
        return text if known.issuperset(text) else "".join(c if c in known else "?" for c in text)


def _listed(names: list[str]) -> str:
    return " | ".join(names) or "nothing"
