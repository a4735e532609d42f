"""``ShopManager``: N shoppers as the environment manager of verl-agent and its forks."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from llmrec_env.common.arrays import BoolArray, Float64Array
from llmrec_env.common.checks import check_whole
from llmrec_env.envs.language_agents.text_loops import TextLoops

Observations = dict[str, Any]


class ShopManager:
    """What ``make_envs`` of verl-agent returns, for training or for validation.

    Each step's prompt stands alone there, so the text has the manual, the last actions with what
    was seen before each, and the page; the anchor, by which GiGPO (arXiv 2505.10978) finds steps
    in the same situation, is the page alone, without a line about the last answer.

    Args:
        n: rows; group: so many rows after another have the same goal.
        history: pages and actions that the text tells, at most.
        settings: of :class:`~llmrec_env.envs.language_agents.text_loops.TextLoops`.

    Infos have ``won`` and ``is_action_valid``, its names of ``success`` and ``action_is_valid``,
    and ``task_score``, the reward of a purchase.

    Raises:
        SettingError: an argument has no such value.
    """

    def __init__(self, n: int, group: int = 1, history: int = 2, **settings: Any) -> None:
        self._history = check_whole("history", history, 0)
        self._loops = TextLoops(n, group, **settings)
        self._told: list[deque[str]] = []
        self._pages: list[str] = []

    def reset(
        self, kwargs: Mapping[str, Any] | None = None
    ) -> tuple[Observations, list[dict[str, Any]]]:
        """Start an episode in each row.

        Args:
            kwargs: of :meth:`TextLoops.reset`: ``seed``, or ``goals``.

        Returns:
            ``text`` and ``anchor``, N texts each, and ``image``, None; and N infos.
        """
        self._pages, infos = self._loops.reset(**(kwargs or {}))
        self._told = [deque(maxlen=self._history) for _ in self._pages]
        return self._observations(), [_renamed(info, 0.0) for info in infos]

    def step(
        self, text_actions: Sequence[str]
    ) -> tuple[Observations, Float64Array, BoolArray, list[dict[str, Any]]]:
        """Do what each answer names.

        Returns:
            As of :meth:`reset`; rewards, float64 (N,); dones, bool (N,); and N infos.
        """
        seen = self._pages
        self._pages, rewards, dones, infos = self._loops.step(text_actions)
        for row, info in enumerate(infos):
            self._told[row].append(f"You saw:\n{seen[row]}\nYou did: {info['action'] or 'nothing'}")
        told = [_renamed(info, own) for info, own in zip(infos, rewards.tolist(), strict=True)]
        return self._observations(), rewards, dones, told

    def success_evaluator(
        self,
        *,
        total_infos: Sequence[Sequence[Mapping[str, Any]]],
        total_batch_list: Sequence[Sequence[Mapping[str, Any]]],
        **_: Any,
    ) -> dict[str, Float64Array]:
        """The success and the score of each episode, from the last step that it was active in."""
        last = []
        for infos, steps in zip(total_infos, total_batch_list, strict=True):
            active = [i for i, step in enumerate(steps) if step["active_masks"]]
            last.append(infos[active[-1]])
        return {
            "success_rate": np.array([float(info["won"]) for info in last]),
            "task_score": np.array([float(info["task_score"]) for info in last]),
        }

    def close(self) -> None:
        """Nothing is to be released."""

    def _observations(self) -> Observations:
        texts = []
        for page, told in zip(self._pages, self._told, strict=True):
            texts.append("\n\n".join([self._loops.manual, *told, f"You see:\n{page}"]))
        return {"text": texts, "image": None, "anchor": self._loops.pages}


def _renamed(info: Mapping[str, Any], reward: float) -> dict[str, Any]:
    return {
        **info,
        "won": info["success"],
        "is_action_valid": info["action_is_valid"],
        "task_score": reward,
    }
