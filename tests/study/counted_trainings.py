"""Counts the trainings of an experiment, and kills it in the middle of them."""

from __future__ import annotations

from typing import Any

import pytest

from agents import Recommender


class Killed(Exception):
    """The machine went away."""


class Trainings:
    """Counts the trainings, and ends the program before one of them."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.count, self.killed_at = 0, 10**6
        fit = Recommender.fit

        def counted(own: Recommender, *args: Any, **options: Any) -> Recommender:
            if self.count == self.killed_at:
                raise Killed
            self.count += 1
            return fit(own, *args, **options)

        patch.setattr(Recommender, "fit", counted)
