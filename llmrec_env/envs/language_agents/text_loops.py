"""``TextLoop`` and ``TextLoops``: text in, text out, for loops that train language models.

The agent's whole answer is handed in, in any of the forms that
:func:`~llmrec_env.envs.text.answers.read_answer` reads. What it names is done; an answer without an
action, or with one that cannot be done now, changes nothing, costs a step and is told in a line
above the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.error import InvalidAction, ResetNeeded

from llmrec_env.common.arrays import BoolArray, Float64Array
from llmrec_env.common.checks import check_whole
from llmrec_env.common.errors import SettingError
from llmrec_env.envs.common.rendering import clean
from llmrec_env.envs.language_agents.opening import open_shop
from llmrec_env.envs.shop.rules import ShopRules
from llmrec_env.envs.shop.shopper import ActionSettings
from llmrec_env.envs.shop.views.observations import PROMPT
from llmrec_env.envs.shop.views.prompt import PROMPT_TOKENS, PromptView
from llmrec_env.envs.shop.views.shop_view import ShopView
from llmrec_env.envs.text.answers import read_answer
from llmrec_env.envs.text.budget import Pieces

MANUAL = """\
You shop in a web shop of text pages. Buy the product that the instruction asks for, with every \
option that it asks for chosen, and within its price. You have {steps} steps, and buying ends the \
episode. Think first if you like, then answer with one action in this form:
<action>search[words]</action> or <action>click[value]</action>
search[words] works where the page says so, with any words of your own; click[value] takes a value \
just as the page has it."""
NO_ACTION = "Your last answer had no action: end it with <action>…</action>."
IMPOSSIBLE = "This cannot be done here: {}"
NO_EFFECT = "This changed nothing: {}"
LONGEST_TOLD = 100
"""Characters of an action that are told back."""


class TextLoop:
    """One shopper: ``reset(seed) -> (text, info)``, and ``step(answer) -> (text, reward,
    terminated, truncated, info)``.

    Args:
        max_steps: answers in an episode; 15 or the protocol's where None.
        seed: draws goals where ``reset`` names no seed.
        prompt_tokens, pieces: how long a page may be, as ``gym.make("LLMRec/Shop-v0")`` takes them.
        settings: of the shop: catalogue, instructions, reward, split, split_by, goals_per_product,
            goal_seed, or protocol; what :meth:`ShopProtocol.settings` gives will do as it is.

    Attributes:
        manual: what a system prompt may say of the task and of how to answer.

    Infos are those of the environment, with ``action``: what was read out of the answer, None where
    it named nothing; ``action_is_valid`` is False then.
    """

    def __init__(
        self,
        max_steps: int | None = None,
        seed: int = 0,
        prompt_tokens: int = PROMPT_TOKENS,
        pieces: Pieces | None = None,
        **settings: Any,
    ) -> None:
        own = {"max_steps": max_steps, "prompt_tokens": prompt_tokens, "pieces": pieces}
        self._arguments = {"seed": seed, **own, **settings}
        self._loops = TextLoops(1, **self._arguments)
        self._generator = np.random.default_rng(seed)
        self._valid: tuple[str, ...] = ()
        self.manual = self._loops.manual

    def reset(self, seed: int | None = None, goal: int | None = None) -> tuple[str, dict[str, Any]]:
        """Start an episode.

        Args:
            seed: of the draw of the goal; None carries on.
            goal: index of the goal, in place of a drawn one.

        Raises:
            SettingError: there is no such goal.
        """
        texts, infos = self._loops.reset(seed, None if goal is None else [goal])
        self._valid = infos[0]["valid_actions"]
        return texts[0], infos[0]

    def step(self, answer: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Do what an answer names.

        Raises:
            InvalidAction: it is no text.
            ResetNeeded: no episode is going on.
        """
        texts, rewards, _, infos = self._loops.step([answer])
        self._valid = infos[0]["valid_actions"]
        terminated, truncated = (
            bool(ended[0]) for ended in (self._loops.terminated, self._loops.truncated)
        )
        return texts[0], float(rewards[0]), terminated, truncated, infos[0]

    def sample_random_action(self) -> str:
        """An answer with one of the valid actions, or, on the index page, a suggested search.

        Raises:
            ResetNeeded: no episode is going on.
        """
        if not self._valid:
            raise ResetNeeded("no episode is going on: call reset()")
        return f"<action>{self._generator.choice(self._valid)}</action>"

    def spawn(self, same_state: bool = False, **settings: Any) -> TextLoop:
        """Another loop with the same settings, but for those that are named here.

        Raises:
            SettingError: ``same_state`` is asked for: an episode is not copied.
        """
        if same_state:
            raise SettingError("same_state: an episode is not copied; reset(goal=…) repeats a goal")
        return TextLoop(**{**self._arguments, **settings})


class TextLoops:
    """N shoppers as lists of texts: ``reset() -> (texts, infos)``, ``step(answers) -> (texts,
    rewards, dones, infos)``.

    Nobody starts anew by themselves: who is done waits, with the last page and a reward of 0, until
    all are reset, as loops ask that collect N whole episodes at a time.

    Args:
        n: rows.
        group: so many rows after another have the same goal, as group-relative objectives (GRPO,
            GiGPO) compare them. It divides ``n``.
        seed: draws goals where ``reset`` names no seed.
        max_steps, prompt_tokens, pieces, settings: as in :class:`TextLoop`.

    Attributes:
        manual: as in :class:`TextLoop`.
        terminated, truncated: bool (N,), how the episodes that are done ended.

    Raises:
        SettingError: an argument has no such value.
    """

    def __init__(
        self,
        n: int,
        group: int = 1,
        seed: int = 0,
        max_steps: int | None = None,
        prompt_tokens: int = PROMPT_TOKENS,
        pieces: Pieces | None = None,
        **settings: Any,
    ) -> None:
        check_whole("n", n, 1)
        if n % check_whole("group", group, 1):
            raise SettingError(f"group={group} must divide n={n}: rows of a group share a goal")
        self._group = group
        shop, self._max_steps = open_shop("max_steps", max_steps, settings, prompt_tokens)
        self._rules = ShopRules(shop, ActionSettings(), n)
        self._prompt = PromptView(prompt_tokens, pieces)
        self._view = ShopView(self._rules, PROMPT, self._prompt)
        self._generator = np.random.default_rng(check_whole("seed", seed, 0))
        self.manual = MANUAL.format(steps=self._max_steps)
        self.terminated, self.truncated = np.ones((2, n), dtype=np.bool_)

    def reset(
        self, seed: int | None = None, goals: Sequence[int] | None = None
    ) -> tuple[list[str], list[dict[str, Any]]]:
        """Start an episode in each row.

        Args:
            seed: of the draw of the goals; None carries on.
            goals: indices, one a group, in place of drawn ones.

        Raises:
            SettingError: there is no such goal, or not one a group.
        """
        if seed is not None:
            self._generator = np.random.default_rng(check_whole("seed", seed, 0))
        rules, groups = self._rules, self._rules.num_rows // self._group
        if goals is None:
            goals = [rules.shop.goal_set.draw(self._generator) for _ in range(groups)]
        if len(goals) != groups:
            raise SettingError(f"goals: expected {groups}, one a group, got {len(goals)}")
        starts = rules.starts([goal for goal in goals for _ in range(self._group)])
        rules.begin(np.arange(rules.num_rows), starts)
        self.terminated[:] = self.truncated[:] = False
        rows = range(rules.num_rows)
        return [self._page(row) for row in rows], [self._info(row, None) for row in rows]

    def step(
        self, answers: Sequence[str]
    ) -> tuple[list[str], Float64Array, BoolArray, list[dict[str, Any]]]:
        """Do what each answer names; those of rows that are done are not read.

        Args:
            answers: N whole answers of the language model.

        Returns:
            N texts, rewards float64 (N,), dones bool (N,) and N infos.

        Raises:
            InvalidAction: there are not N answers, or one is no text.
            ResetNeeded: not reset yet.
        """
        rules = self._rules
        if len(answers) != rules.num_rows or not all(isinstance(own, str) for own in answers):
            raise InvalidAction(f"expected {rules.num_rows} answers, each a text, one a row")
        playing = ~(self.terminated | self.truncated)
        if not playing.any():
            raise ResetNeeded("all episodes are over: call reset()")
        actions = [
            read_answer(answer) if plays else None
            for answer, plays in zip(answers, playing.tolist(), strict=True)
        ]
        outcome = rules.step([action or "" for action in actions], playing)
        self.terminated |= outcome.terminated
        self.truncated |= playing & ~outcome.terminated & (rules.steps >= self._max_steps)
        texts, infos = [], []
        for row, action in enumerate(actions):
            texts.append(self._page(row, action) if playing[row] else self._page(row))
            infos.append(self._info(row, action))
        return texts, outcome.reward, self.terminated | self.truncated, infos

    @property
    def pages(self) -> list[str]:
        """Where each row stands: the N texts, without a line about the last answer."""
        return [self._prompt.text(shopper.session) for shopper in self._rules.shoppers]

    def _page(self, row: int, action: str | None = "") -> str:
        """The page of a row, below what is to be said of the last action."""
        page = self._prompt.text(self._rules.shoppers[row].session)
        if self._rules.effective[row]:
            return page
        if action is None:
            return f"{NO_ACTION}\n{page}"
        told = NO_EFFECT if self._rules.valid[row] else IMPOSSIBLE
        return f"{told.format(clean(action, LONGEST_TOLD))}\n{page}" if action else page

    def _info(self, row: int, action: str | None) -> dict[str, Any]:
        return self._view.info_of(row) | {"action": action}
