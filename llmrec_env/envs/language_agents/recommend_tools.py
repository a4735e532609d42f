"""``RecommendTools``: recommending to a simulated user as tools of a language model."""

from __future__ import annotations

from typing import Any

from llmrec_env.common.checks import check_whole
from llmrec_env.envs.language_agents.conversation import (
    MAX_RECOMMENDED,
    MAX_TURNS,
    open_conversation,
)
from llmrec_env.envs.language_agents.shop_tools import ToolError

MANUAL = """\
You recommend items to one user, one at a time. The user takes an item or skips it, and leaves \
after too many skips in a row. Find items that this user likes and has not seen yet: search the \
catalogue, look at items, and recommend. You have {calls} calls of tools."""


class RecommendTools:
    """A recommender whose actions are the tools of a language model; a simulated user judges.

    As :class:`~llmrec_env.envs.language_agents.shop_tools.ShopTools`, a callable without arguments
    makes one. The user is the language environment (LE): one recommendation is one token of its
    language model, not one prompt.

    Args:
        max_calls: calls of tools in an episode.
        max_recommended: recommendations in an episode.
        hits: items that a search finds, at most.
        seed: of the environment; ``reset`` may name another.
        settings: of ``gym.make("LLMRec/NextItem-v1")``: simulator, users, patience, ….

    Attributes:
        taken: items that were taken so far; rewards: what each recommendation earned.
        calls: calls of tools so far.

    Raises:
        SettingError: an argument has no such value.
        MissingExtraError: the extra ``shop``, which searches, is not installed.
    """

    def __init__(
        self,
        max_calls: int = MAX_TURNS,
        max_recommended: int = MAX_RECOMMENDED,
        hits: int = 5,
        seed: int = 0,
        **settings: Any,
    ) -> None:
        self._env = open_conversation("max_calls", max_calls, max_recommended, hits, settings)
        self._limit = max_recommended
        self._seed: int | None = check_whole("seed", seed, 0)
        self._over = True
        self.taken, self.calls = 0, 0
        self.rewards: list[float] = []

    def reset(self, seed: int | None = None, **row: Any) -> str:
        """Let a user come.

        Args:
            seed: the user's, and of their luck; the next one of this environment where None.
            row: other columns of a data set of users; not read.

        Returns:
            What the user took before, as text.
        """
        page, _ = self._env.reset(seed=self._seed if seed is None else seed)
        self._seed = None  # the next user of the same stream
        self._over = False
        self.taken, self.calls, self.rewards = 0, 0, []
        return page

    def get_reward(self) -> float:
        """What this episode earned, as a share of what it could: the rewards' sum over
        ``max_recommended``, in [0, 1]."""
        return sum(self.rewards) / self._limit

    def search(self, query: str) -> str:
        """Search the catalogue for items that the user has not seen.

        Args:
            query: Words to look for in titles and descriptions.

        Returns:
            The items that were found, each with its id and text.
        """
        return self._call(f"search[{query}]")

    def look(self, item: str) -> str:
        """Read all about one item.

        Args:
            item: The id of the item, or its exact title.

        Returns:
            What is written about it.
        """
        return self._call(f"look[{item}]")

    def recommend(self, item: str) -> str:
        """Show one item to the user, who takes it or skips it; one that the user has seen is not
        shown again, but another one in its place, which is named.

        Args:
            item: The id of the item, or its exact title.

        Returns:
            Whether it was taken, and how many skips the user has left.
        """
        return self._call(f"recommend[{item}]")

    def _call(self, action: str) -> str:
        if self._over:
            raise ToolError(
                "no user is here: call reset() before the first tool, and none after the end"
            )
        self.calls += 1
        page, reward, terminated, truncated, info = self._env.step(action)
        self._over = terminated or truncated
        if info["tool"] == "recommend":
            self.rewards.append(float(reward))
            self.taken += bool(info["accepted"])
        elif not info["tool"]:
            raise ToolError(page.rsplit("\n", 1)[-1])
        return f"{page}\nThe user has left." if self._over else page


def user_rows(users: int, first_seed: int = 0, max_calls: int = MAX_TURNS) -> list[dict[str, Any]]:
    """Rows of a data set of users: ``datasets.Dataset.from_list(user_rows(1000))``.

    Args:
        users: how many.
        first_seed: of the first; each has the next seed.
        max_calls: as in :class:`RecommendTools`; told in the prompt.

    Returns:
        ``prompt`` (messages; what ``reset`` returns is added to the last one) and ``seed``.
    """
    manual = MANUAL.format(calls=max_calls)
    return [
        {"prompt": [{"role": "user", "content": f"{manual}\n\n"}], "seed": first_seed + user}
        for user in range(check_whole("users", users, 1))
    ]
