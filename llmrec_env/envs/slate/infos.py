"""``SlateInfos``: writes the ``info`` of N users to whom lists are shown, as columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from llmrec_env.envs.common.infos import Columns
from llmrec_env.envs.next_item.infos import UserInfos
from llmrec_env.envs.slate.rules import SlateOutcome, SlateRules


class SlateInfos(UserInfos[SlateOutcome]):
    """Tells of lists, and of the item looked at.

    Args:
        rules: the users.
        action_mask: whether ``action_mask`` is among it. Of many users it is int8 (N, choices), of
            one a tuple with the same int8 (choices,) for each place, as ``MultiDiscrete.sample``
            takes it.
    """

    def __init__(self, rules: SlateRules, action_mask: bool) -> None:
        super().__init__(rules, action_mask)
        self._slate_size = rules.slate_size

    def first_info(self, outcome: SlateOutcome | None) -> dict[str, Any]:
        """The first user, and what the last step brought, if there was one."""
        info = super().first_info(outcome)
        if self._action_mask:
            info["action_mask"] = (info["action_mask"],) * self._slate_size
        return info

    def _told(self, outcome: SlateOutcome) -> Columns:
        looked = outcome.places >= 0
        return {
            "item_id": np.where(looked, self._item_ids[outcome.items], ""),
            "title": np.where(looked, self._titles[outcome.items], ""),
            "place": outcome.places.copy(),
            "slate": outcome.slates.copy(),
            "look_probability": outcome.look_probability.astype(np.float32),
            "replaced": outcome.replaced.copy(),
        }

    def _nothing(self) -> Columns:
        shape = (self._rules.num_rows, self._slate_size)
        return super()._nothing() | {
            "place": np.full(shape[0], -1, dtype=np.int64),
            "slate": np.full(shape, self._rules.n_items, dtype=np.int64),
            "look_probability": np.zeros(shape, dtype=np.float32),
            "replaced": np.zeros(shape, dtype=np.bool_),
        }
