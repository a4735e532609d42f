"""``ShopTools``: the shop as tools that a language model calls, as TRL's trainers take it."""

from __future__ import annotations

from typing import Any

import numpy as np

from llmrec_env.common.checks import check_whole
from llmrec_env.envs.language_agents.opening import open_shop
from llmrec_env.envs.shop.pages import SUB_PAGES
from llmrec_env.envs.shop.search.suggestions import clean_query
from llmrec_env.envs.shop.session import Session
from llmrec_env.envs.shop.views.prompt import PROMPT_TOKENS, PromptView
from llmrec_env.envs.text.budget import Pieces

MANUAL = """\
You shop in a web shop. Buy the product that the instruction asks for, with every option that it \
asks for chosen, and within its price. Search first, open a product, choose its options one by \
one, and buy. You have {calls} calls of tools, and buy once."""
BACK = "click[back to search]"


class ToolError(ValueError):
    """A call that could not be done; the message is for the model that made it."""


class ShopTools:
    """One shopper whose actions are the tools of a language model.

    A callable without arguments makes one: the class itself, or ``functools.partial(ShopTools,
    catalogue=…, split="train")``. That is what ``environment_factory`` of TRL's ``GRPOTrainer``
    asks for; every public method but ``reset`` and ``get_reward`` is a tool. All of a process share
    one catalogue and one index, so another one costs nothing.

    Args:
        max_calls: calls of tools in an episode, 15 or the protocol's where None; a purchase after
            them counts no more.
        prompt_tokens, pieces: how long a page may be, as ``gym.make("LLMRec/Shop-v0")`` takes them.
        seed: draws goals where ``reset`` names none.
        settings: of the shop: catalogue, instructions, reward, split, split_by, goals_per_product,
            goal_seed, or protocol; what :meth:`ShopProtocol.settings` gives will do as it is.

    Attributes:
        success: whether a purchase earned 1.
        parts: the terms of the reward by name; empty before a purchase.
        calls: calls of tools so far, those that could not be done too.

    Raises:
        SettingError: an argument has no such value.
    """

    def __init__(
        self,
        max_calls: int | None = None,
        prompt_tokens: int = PROMPT_TOKENS,
        pieces: Pieces | None = None,
        seed: int = 0,
        **settings: Any,
    ) -> None:
        self._shop, self._max_calls = open_shop("max_calls", max_calls, settings, prompt_tokens)
        self._view = PromptView(prompt_tokens, pieces, names_actions=False)
        self._session = Session(self._shop.pages, self._shop.rule)
        self._generator = np.random.default_rng(check_whole("seed", seed, 0))
        self._is_open = False
        self.calls = 0

    def reset(self, goal: int | None = None, **row: Any) -> str:
        """Start an episode.

        Args:
            goal: index of a goal of the split; drawn where None.
            row: other columns of a data set of goals; not read.

        Returns:
            What is to be bought, as text.

        Raises:
            SettingError: there is no such goal.
        """
        goals = self._shop.goals
        if goal is None:
            goal = self._shop.goal_set.draw(self._generator)
        self._session.begin(goals[check_whole("goal", goal, 0, len(goals) - 1)])
        self._is_open = True
        self.calls = 0
        return self._view.text(self._session)

    def get_reward(self) -> float:
        """What the purchase of this episode is worth, in [0, 1]; 0 where nothing was bought."""
        verdict = self._session.verdict if self._is_open else None
        return 0.0 if verdict is None else float(verdict.reward)

    @property
    def success(self) -> bool:
        return self.get_reward() == 1.0

    @property
    def parts(self) -> dict[str, float]:
        verdict = self._session.verdict if self._is_open else None
        return {} if verdict is None else dict(verdict.parts)

    def search(self, query: str) -> str:
        """Search the shop, from any page.

        Args:
            query: Words to look for, such as the kind of product and its properties.

        Returns:
            The first ten products that were found: id, name and price of each.
        """
        self._count()
        if clean_query(str(query)) and not self._session.can_search:
            self._session.act(BACK)
        return self._do(f"search[{query}]", "search needs words, such as 'red floor lamp'")

    def next_page(self) -> str:
        """Show the next ten products that the last search found.

        Returns:
            The products.
        """
        self._count()
        return self._do("click[next >]", "there is no next page of results here")

    def open_product(self, product_id: str) -> str:
        """Open one of the products that are listed.

        Args:
            product_id: Its id, as the list has it in brackets.

        Returns:
            The product: its options with their values, name, price and rating.
        """
        self._count()
        return self._do(
            f"click[{product_id}]",
            f"no product {str(product_id)[:40]!r} is listed here: search, then name an id of "
            "the list",
            "open",
        )

    def choose_option(self, value: str) -> str:
        """Choose a value of an option of the product that is open.

        Args:
            value: The value, as the page has it in brackets, such as "red" or "size: large".

        Returns:
            The product, with what is chosen.
        """
        self._count()
        return self._do(
            f"click[{value}]",
            f"no option of this page has the value {str(value)[:60]!r}: name one in brackets",
            "choose",
        )

    def read(self, section: str) -> str:
        """Read more about the product that is open.

        Args:
            section: "description", "features" or "reviews".

        Returns:
            The text; go_back leads to the product again.
        """
        self._count()
        sections = ", ".join(SUB_PAGES)
        return self._do(
            f"click[{section}]", f"open a product, then read one of: {sections}", "read"
        )

    def go_back(self) -> str:
        """Go back: from a section to the product, from a product to the list of products.

        Returns:
            The page that was left before.
        """
        self._count()
        return self._do("click[< prev]", "there is nothing to go back to on this page")

    def buy(self) -> str:
        """Buy the product that is open, with the options that are chosen. This ends the shopping.

        Returns:
            A word of thanks.
        """
        self._count()
        return self._do("click[buy now]", "no product is open: open one first")

    def _count(self) -> None:
        """One more call.

        Raises:
            ToolError: no episode has begun, or it is over.
        """
        if not self._is_open:
            raise ToolError("no episode has begun: call reset() first")
        if self._session.verdict is not None:
            raise ToolError("the purchase is made: call no more tools")
        if self.calls >= self._max_calls:
            raise ToolError(f"all {self._max_calls} calls are made: call no more tools")
        self.calls += 1

    def _do(self, action: str, problem: str, kind: str | None = None) -> str:
        """The page after an action.

        Raises:
            ToolError: it is not possible here.
        """
        session = self._session
        action = action.strip().lower()
        move = session.page.moves.get(action)
        if (kind is not None and (move is None or move.kind != kind)) or not session.act(action):
            raise ToolError(problem)
        if session.verdict is not None:
            return "Thank you for shopping with us!"
        return self._view.text(session)


def goal_rows(
    goals: int | None = None, max_calls: int | None = None, **settings: Any
) -> list[dict[str, Any]]:
    """Rows of a data set of goals: ``datasets.Dataset.from_list(goal_rows(split="train"))``.

    Args:
        goals: how many, from the first one; all where None.
        max_calls: as in :class:`ShopTools`; told in the prompt.
        settings: of the shop, as in :class:`ShopTools`.

    Returns:
        ``prompt`` (messages; what ``reset`` returns is added to the last one) and ``goal``.

    Raises:
        SettingError: there are not so many goals, or an argument has no such value.
    """
    shop, calls = open_shop("max_calls", max_calls, settings)
    known, manual = len(shop.goals), MANUAL.format(calls=calls)
    return [
        {"prompt": [{"role": "user", "content": f"{manual}\n\n"}], "goal": goal}
        for goal in range(known if goals is None else check_whole("goals", goals, 1, known))
    ]
