"""``ScaledLengths``: a settings mixin whose ``budget`` multiplies every training length."""

from __future__ import annotations

import math

from llmrec_env.common.errors import SettingError


class ScaledLengths:
    """Settings with a ``budget``, by which all their training lengths are multiplied.

    Raises:
        SettingError: the budget is not a positive number.
    """

    budget: float

    def __post_init__(self) -> None:
        if not 0 < self.budget < math.inf:
            raise SettingError(f"budget must be a positive number, got {self.budget}")

    def steps(self, full: int, least: int = 1) -> int:
        """A training length under this budget."""
        return max(least, round(full * self.budget))
