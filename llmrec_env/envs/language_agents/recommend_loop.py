"""``RecommendLoop``: recommending to a simulated user, text in, text out."""

from __future__ import annotations

from typing import Any

from gymnasium.error import InvalidAction

from llmrec_env.common.checks import check_whole
from llmrec_env.common.wording import shown
from llmrec_env.envs.language_agents.conversation import (
    MAX_RECOMMENDED,
    MAX_TURNS,
    open_conversation,
)
from llmrec_env.envs.text.answers import read_answer

VERBS = ("search", "look", "recommend")
MANUAL = """\
You recommend items to one user, one at a time. The user takes an item or skips it, and leaves \
after too many skips in a row. Find items that this user likes and has not seen yet. You have \
{steps} turns. Think first if you like, then answer with one action in this form:
<action>search[words]</action> finds items in the catalogue.
<action>look[item id or title]</action> tells all about an item.
<action>recommend[item id or title]</action> shows an item to the user."""


class RecommendLoop:
    """One user to recommend to: ``reset(seed) -> (text, info)``, and ``step(answer) -> (text,
    reward, terminated, truncated, info)``, as :class:`TextLoop` is one shopper.

    The agent's whole answer is handed in, in any of the forms that
    :func:`~llmrec_env.envs.text.answers.read_answer` reads. The user is the language environment
    (LE), at one token of its language model a recommendation.

    Args:
        max_steps: answers in an episode.
        max_recommended: recommendations in an episode.
        hits: items that a search finds, at most.
        seed: draws users where ``reset`` names no seed.
        settings: of ``gym.make("LLMRec/NextItem-v1")``: simulator, users, patience, ….

    Attributes:
        manual: what a system prompt may say of the task and of how to answer.

    The reward is that of the environment for what is recommended, 0 else. Infos are those of
    :class:`~llmrec_env.envs.wrappers.text_tools.TextTools`, with ``action``: what was read out of
    the answer, None where it named nothing; ``action_is_valid`` and ``action_is_effective``:
    whether it was done.

    Raises:
        SettingError: an argument has no such value.
        MissingExtraError: the extra ``shop``, which searches, is not installed.
    """

    def __init__(
        self,
        max_steps: int = MAX_TURNS,
        max_recommended: int = MAX_RECOMMENDED,
        hits: int = 5,
        seed: int = 0,
        **settings: Any,
    ) -> None:
        self._env = open_conversation("max_steps", max_steps, max_recommended, hits, settings)
        self._seed: int | None = check_whole("seed", seed, 0)
        self.manual = MANUAL.format(steps=max_steps)

    def reset(
        self, seed: int | None = None, user_id: str | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Let a user come.

        Args:
            seed: the user's, and of their luck; the next one of this environment where None.
            user_id: who, in place of a drawn one.

        Raises:
            SettingError: there is no such user.
        """
        options = None if user_id is None else {"user_id": user_id}
        page, info = self._env.reset(seed=self._seed if seed is None else seed, options=options)
        self._seed = None  # the next user of the same stream
        return page, info | {"action": None, "action_is_valid": True, "action_is_effective": True}

    def step(self, answer: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Do what an answer names.

        Raises:
            InvalidAction: it is no text.
            ResetNeeded: no episode is going on.
        """
        if not isinstance(answer, str):
            raise InvalidAction(f"an answer is a text, got {shown(answer)}")
        action = read_answer(answer, VERBS)
        page, reward, terminated, truncated, info = self._env.step(action or "")
        done = bool(info["tool"])
        told = {"action": action, "action_is_valid": done, "action_is_effective": done}
        return page, float(reward), terminated, truncated, info | told
