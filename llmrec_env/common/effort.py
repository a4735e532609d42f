"""Training lengths that one number scales, from a trial that anything runs to the real thing."""

from __future__ import annotations

import math

from llmrec_env.common.errors import SettingError


class ScaledLengths:
    """Settings with an ``effort``, by which all their training lengths are multiplied.

    Raises:
        SettingError: the effort is no positive number.
    """

    effort: float

    def __post_init__(self) -> None:
        if not 0 < self.effort < math.inf:
            raise SettingError(f"effort must be a positive number, got {self.effort}")

    def steps(self, full: int, least: int = 1) -> int:
        """A training length under this effort."""
        return max(least, round(full * self.effort))
