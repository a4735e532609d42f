"""Texts of shop pages, from which a small language model is pretrained for shop_agents.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from agents.shop.prompts import lines_read
from agents.shop.scripted import BUY
from agents.shop.shop_pool import ShopPool
from llmrec_env.common.progress import track

STEPS = 8
"""Pages of a walk at most."""


def page_texts(
    settings: Mapping[str, Any], goals: Sequence[int], *, words: int = 12, seed: int = 0
) -> list[str]:
    """Pages as :class:`agents.shop.prompts.Prompts` reads them, seen by walking at random.

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
    pool, rng = ShopPool(settings, "text_rich"), np.random.default_rng(seed)
    texts = []
    for goal in track(goals, "walks", len(goals)):
        observation, ended, steps = pool.begin(0, goal), False, 0
        while not ended and steps < STEPS:
            open_to = [place for place, text in enumerate(observation.actions) if text != BUY] or [
                0
            ]
            action = int(rng.choice(open_to))
            first, *rest = (line.rstrip("\n") for line in lines_read(observation))
            lines = [first, *(" ".join(line.split(" ")[:words]) for line in rest)]
            texts.append("\n".join([*lines, observation.actions[action]]))
            outcome = pool.step(0, action)
            observation, ended, steps = outcome.observation, outcome.ended, steps + 1
    return texts
