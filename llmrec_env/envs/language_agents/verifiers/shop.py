"""The shop for verifiers: ``vf.load_environment("llmrec_env.envs.language_agents.verifiers.shop",
…)``."""

from __future__ import annotations

from functools import partial
from typing import Any

from llmrec_env.common.checks import check_whole
from llmrec_env.envs.language_agents.opening import OF_DOORS, open_shop
from llmrec_env.envs.language_agents.text_loops import TextLoop
from llmrec_env.envs.language_agents.verifiers.environment import LoopEnvironment, success


def load_environment(
    split: str = "train",
    eval_split: str = "test",
    goals: int | None = None,
    eval_goals: int | None = None,
    max_steps: int | None = None,
    **settings: Any,
) -> LoopEnvironment:
    """A shopper an episode, as verifiers asks.

    Args:
        split, eval_split: goals to train and to evaluate with.
        goals, eval_goals: how many of each, from the first one; all where None.
        max_steps: answers in an episode; 15 or the protocol's where None.
        settings: of :class:`~llmrec_env.envs.language_agents.text_loops.TextLoop`.

    Raises:
        SettingError: there are not so many goals, or an argument has no such value.
    """
    shop = {name: own for name, own in settings.items() if name not in OF_DOORS}
    loops, resets = {}, {}
    for part, name, many in (("train", split, goals), ("eval", eval_split, eval_goals)):
        loops[part] = partial(TextLoop, max_steps=max_steps, split=name, **settings)
        known = len(open_shop("max_steps", max_steps, {**shop, "split": name})[0].goals)
        asked = known if many is None else check_whole(f"goals of {name!r}", many, 1, known)
        resets[part] = [{"goal": goal} for goal in range(asked)]
    return LoopEnvironment(loops, resets, [success])
