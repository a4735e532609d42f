"""``LoopEnvironment``: a loop of texts as a ``MultiTurnEnv`` of verifiers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from llmrec_env.common.extras import require
from llmrec_env.envs.language_agents.recommend_loop import RecommendLoop
from llmrec_env.envs.language_agents.text_loops import TextLoop

vf = require("verifiers", "verifiers")
Dataset = require("datasets", "verifiers").Dataset
Loop = TextLoop | RecommendLoop


class LoopEnvironment(vf.MultiTurnEnv):  # type: ignore[name-defined]
    """Each rollout has a loop of its own; all share the catalogue, its index and the LE.

    The rubric's reward is what the episode earned; ``valid_actions`` (the share of answers that
    could be done) and, in the shop, ``success`` are told beside it.

    Args:
        loops: makes the loop of each part of the data, by its name.
        resets: keywords of the episodes' ``reset``, by part: ``"train"`` and ``"eval"``.
        metrics: more of them, each a function of verifiers' ``state``.
    """

    def __init__(
        self,
        loops: Mapping[str, Callable[[], Loop]],
        resets: Mapping[str, Sequence[Mapping[str, Any]]],
        metrics: Sequence[Callable[..., float]] = (),
    ) -> None:
        self._loops = loops
        self._first = {part: make() for part, make in loops.items()}
        rubric = vf.Rubric(funcs=[earned])
        for metric in (valid_actions, *metrics):
            rubric.add_metric(metric)
        super().__init__(
            dataset=self._rows("train", resets["train"]),
            eval_dataset=self._rows("eval", resets["eval"]),
            rubric=rubric,
        )

    def _rows(self, part: str, resets: Sequence[Mapping[str, Any]]) -> Any:
        loop = self._first[part]
        return Dataset.from_list(
            [
                {
                    "prompt": [
                        {"role": "system", "content": loop.manual},
                        {"role": "user", "content": loop.reset(**row)[0]},
                    ],
                    "info": {"part": part, "reset": dict(row)},
                }
                for row in resets
            ]
        )

    async def setup_state(self, state: Any) -> Any:
        """Begin the episode that the prompt shows."""
        row = state["info"]
        loop = self._loops[row["part"]]()
        loop.reset(**{name: value for name, value in row["reset"].items() if value is not None})
        state["loop"] = loop
        state["earned"], state["valid"], state["success"] = 0.0, [], False
        return state

    async def env_response(self, messages: Any, state: Any, **_: Any) -> Any:
        """Do what the last answer names; the next page."""
        said = state["trajectory"][-1]["completion"][-1]
        content = said.get("content") if isinstance(said, dict) else said.content
        page, reward, terminated, truncated, info = state["loop"].step(_text_of(content))
        state["earned"] += reward
        state["valid"].append(info["action_is_valid"])
        state["success"] = bool(info.get("success"))
        turn = [vf.UserMessage(content=page)]
        if terminated or truncated:
            state["final_env_response"] = turn
        return turn

    @vf.cleanup  # type: ignore[untyped-decorator]
    async def let_go(self, state: Any) -> None:
        """Drop the loop, which is no result."""
        state.pop("loop", None)


def earned(state: Any) -> float:
    """What the episode earned."""
    return float(state.get("earned", 0.0))


def valid_actions(state: Any) -> float:
    """The share of answers that could be done."""
    valid = state.get("valid") or [False]
    return sum(valid) / len(valid)


def success(state: Any) -> float:
    """1 where the purchase earned 1."""
    return float(state.get("success", False))


def _text_of(content: Any) -> str:
    """The text of a message, whose content may be in parts."""
    if isinstance(content, str) or content is None:
        return content or ""
    parts = [part.get("text") if isinstance(part, dict) else part.text for part in content]
    return "".join(filter(None, parts))
