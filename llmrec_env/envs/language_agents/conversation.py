"""``open_conversation``: a simulated user to whom a language model recommends."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import gymnasium as gym

from llmrec_env.common.checks import check_whole
from llmrec_env.common.errors import UnknownArgumentError
from llmrec_env.envs.common.arguments import check_names
from llmrec_env.envs.common.registration import register_environments
from llmrec_env.envs.next_item.env import NextItemEnv
from llmrec_env.envs.wrappers.text_tools import TextTools

MAX_TURNS, MAX_RECOMMENDED = 30, 10
OTHER = ("self", "max_episode_steps", "render_mode")
"""Arguments of the environment that are no setting here; ``max_recommended`` is its time limit."""


def open_conversation(
    turns: str, max_turns: int, max_recommended: int, hits: int, settings: Mapping[str, Any]
) -> TextTools:
    """A conversation about one user of the language environment.

    Args:
        turns: how the caller names ``max_turns``.
        max_turns: searches, looks and recommendations in an episode.
        max_recommended: recommendations in an episode.
        hits: items that a search finds, at most.
        settings: of ``gym.make("LLMRec/NextItem-v1")``.

    Raises:
        SettingError: an argument has no such value.
        UnknownArgumentError: a setting is none of the caller's and none of the environment's.
        MissingExtraError: the extra ``shop``, which searches, is not installed.
    """
    if "max_episode_steps" in settings:
        raise UnknownArgumentError(
            f"unexpected keyword argument 'max_episode_steps'; {turns} counts all turns of an "
            "episode, max_recommended those in which something is recommended"
        )
    theirs = [name for name in inspect.signature(NextItemEnv).parameters if name not in OTHER]
    check_names(settings, [turns, "max_recommended", "hits", "seed", *theirs])
    limit = check_whole("max_recommended", max_recommended, 1)
    register_environments()
    env = gym.make("LLMRec/NextItem-v1", max_episode_steps=limit, **settings)
    return TextTools(env, max_turns=check_whole(turns, max_turns, 1), hits=hits)
