"""Opens the recommender named on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from llmrec_env.common.errors import SettingError

if TYPE_CHECKING:
    from llmrec_env.data.splits import Split
    from llmrec_env.evaluation.policies import Policy
    from llmrec_env.users.base import UserSimulator


def open_policy(name: str, split: Split | None, user: UserSimulator, option: str) -> Policy:
    """A policy that scores items.

    Args:
        name: popular; own, what the simulated user itself would take; the folder of a saved
            recommender; or a .zip of stable-baselines3.
        split: whose training users say what is popular.
        user: to whom it recommends.
        option: by which it was named.

    Raises:
        SettingError: it is nothing of these.
    """
    from llmrec_env.evaluation.policies import PopularPolicy, PreferencePolicy

    if name == "popular":
        assert split is not None
        return PopularPolicy(split.train)
    if name == "own":
        return PreferencePolicy(user)
    path = Path(name).expanduser()
    if path.is_dir():
        from agents import Recommender

        return Recommender.load(path, user.catalogue, simulator=user)
    if path.is_file():
        from llmrec_env.evaluation.sb3_models import load_sb3

        return load_sb3(path)
    raise SettingError(
        f"{option} {name}: no such file or folder; expected random, popular, own, the folder of a "
        "saved recommender (`llmrec train`) or a .zip of stable-baselines3"
    )
