"""Texts of the shop, from which a small language model can be learned where none is at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from agents.shop.prompts import lines_read
from agents.shop.shop_pool import ShopPool
from llmrec_env.common.progress import track

STEPS = 8
"""Pages of a walk at most."""
BUY = "click[buy now]"


def page_texts(
    settings: Mapping[str, Any], goals: Sequence[int], *, words: int = 12, seed: int = 0
) -> list[str]:
    """Pages as :class:`agents.shop.prompts.Prompts` reads them, met by walking at random.

    Each text is a page and the action that was taken on it. Every valid action is as likely as any
    other, so the texts tell how pages look and what can be said on them, but not what is wise. It
    buys only where nothing else is left.

    Args:
        settings: arguments of the environment, without ``observation`` and ``action_mode``; of the
            split whose instructions may be read.
        goals: indices of goals, a walk each.
        words: words of a line at most; the instruction stays whole.
        seed: draws the actions.

    Returns:
        Texts for :func:`llmrec_env.language.lm.small_model.small_base_model_of`.
    """
    crowd, rng = ShopPool(settings, "text_rich"), np.random.default_rng(seed)
    texts = []
    for goal in track(goals, "walks", len(goals)):
        sight, ended, steps = crowd.begin(0, goal), False, 0
        while not ended and steps < STEPS:
            open_to = [place for place, text in enumerate(sight.actions) if text != BUY] or [0]
            action = int(rng.choice(open_to))
            first, *rest = (line.rstrip("\n") for line in lines_read(sight))
            lines = [first, *(" ".join(line.split(" ")[:words]) for line in rest)]
            texts.append("\n".join([*lines, sight.actions[action]]))
            outcome = crowd.step(0, action)
            sight, ended, steps = outcome.sight, outcome.ended, steps + 1
    return texts
