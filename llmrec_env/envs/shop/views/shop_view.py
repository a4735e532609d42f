"""``ShopView``: observations and infos of N shoppers; and a page drawn for a terminal."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
from gymnasium.vector.utils import concatenate, create_empty_array

from llmrec_env.common.arrays import BoolArray
from llmrec_env.envs.common.infos import Columns, objects, with_masks
from llmrec_env.envs.common.rendering import WIDTH, clean
from llmrec_env.envs.shop.rules import Outcome, ShopRules
from llmrec_env.envs.shop.session import Session
from llmrec_env.envs.shop.views.observations import PROMPT, TEXTS, ObservationBuilder
from llmrec_env.envs.shop.views.prompt import PromptView

LONGEST_LINE = 2000
"""Characters of one text that a terminal shows."""


class ShopView:
    """What is seen and told of shoppers.

    Args:
        rules: the shoppers.
        observation: the form of an observation: ``"prompt"``, or as :class:`ObservationBuilder`
            takes it.
        prompt: pages of the form ``"prompt"``.

    Attributes:
        space: the space of one row's observation.

    Raises:
        SettingError: there is no such form, or not in this action mode.
    """

    def __init__(self, rules: ShopRules, observation: str, prompt: PromptView) -> None:
        settings = rules.action_settings
        self._rules = rules
        self._prompt = prompt
        self._form = observation if observation in TEXTS else None
        self._builder = ObservationBuilder(
            rules.shop, observation, settings.action_mode, settings.max_actions
        )
        self.space = self._builder.space

    def observe(self) -> Any:
        """A tuple of texts, or the rows' arrays batched by Gymnasium."""
        rules = self._rules
        if self._form is not None:
            return tuple([self._text(shopper.session) for shopper in rules.shoppers])
        pairs = zip(rules.shoppers, rules.steps_left().tolist(), strict=True)
        rows = [self._builder.observe(shopper, left) for shopper, left in pairs]
        return concatenate(self.space, rows, create_empty_array(self.space, rules.num_rows))

    def observe_first(self) -> Any:
        """What the first shopper sees."""
        if self._form is not None:
            return self._text(self._rules.shoppers[0].session)
        return self._builder.observe(self._rules.shoppers[0], float(self._rules.steps_left()[0]))

    def _text(self, session: Session) -> str:
        assert self._form is not None
        return self._prompt.text(session) if self._form == PROMPT else session.text(self._form)

    def infos(self, rows: BoolArray, begun: BoolArray, outcome: Outcome | None) -> Columns:
        """The vector form; ``rewards`` has terms for buyers only."""
        rules = self._rules
        columns: Columns = {
            "goal_index": rules.goal_indices.copy(),
            "valid_actions": objects([shopper.choices for shopper in rules.shoppers]),
            "can_search": np.array([s.session.page.is_index for s in rules.shoppers]),
            "action_is_valid": rules.valid.copy(),
            "action_is_effective": rules.effective.copy(),
            "success": rules.success.copy(),
            "instruction": objects([s.session.goal.instruction for s in rules.shoppers]),
        }
        if rules.by_number:
            columns["action_mask"] = rules.action_masks().view(np.int8)
        infos = with_masks(columns, rows)
        return infos | {"rewards": self._terms(rules.bought & rows), "_rewards": rows}

    def first_info(self, outcome: Outcome | None) -> dict[str, Any]:
        """The same of the first shopper, without arrays on the way."""
        return self.info_of(0)

    def info_of(self, row: int) -> dict[str, Any]:
        """The same of one shopper."""
        rules, shopper = self._rules, self._rules.shoppers[row]
        session = shopper.session
        info: dict[str, Any] = {
            "goal_index": shopper.goal_index,
            "valid_actions": shopper.choices,
            "can_search": session.can_search,
            "action_is_valid": bool(rules.valid[row]),
            "action_is_effective": bool(rules.effective[row]),
            "success": bool(rules.success[row]),
            "instruction": session.goal.instruction,
            "rewards": {} if session.verdict is None else dict(session.verdict.parts),
        }
        if rules.by_number:
            info["action_mask"] = shopper.mask()
        return info

    def _terms(self, buyers: BoolArray) -> Columns:
        """The terms of the rewards, an array each with the mask of the rows that have it."""
        terms: Columns = {}
        for row in np.flatnonzero(buyers).tolist():
            verdict = self._rules.shoppers[row].session.verdict
            assert verdict is not None
            for name, value in verdict.parts.items():
                if name not in terms:
                    terms[name] = np.zeros(len(buyers))
                    terms[f"_{name}"] = np.zeros(len(buyers), dtype=np.bool_)
                terms[name][row], terms[f"_{name}"][row] = value, True
        return terms


def draw(rules: ShopRules, row: int, outcome: Outcome | None = None) -> str:
    """A shopper's page for a terminal: wrapped, without control characters."""
    lines = rules.shoppers[row].session.text("text_rich").split("\n")
    return "\n".join(textwrap.fill(clean(line, LONGEST_LINE), WIDTH) for line in lines)
