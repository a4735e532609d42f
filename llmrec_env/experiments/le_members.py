"""Gives an LE members, where a run needs them and it has none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llmrec_env.common.errors import SettingError
from llmrec_env.common.run_folder import RunFolder
from llmrec_env.data.splits import Split
from llmrec_env.experiments.simulator_settings import SimulatorSettings
from llmrec_env.language.member_learning import MembersConfig, learn_members
from llmrec_env.language.model import LanguageEnvironment
from llmrec_env.language.saving import SavedModel

ENSEMBLE = "ensemble"
"""Where a run keeps the LE with members."""


def has_members(folder: Path) -> bool:
    """Whether the LE that is saved in a folder has members."""
    return "members" in SavedModel.open(folder).description


def refuse_members(folder: Path, arm: str) -> None:
    """Refuse an LE with members for an arm that learns in the LE as it was without.

    Raises:
        SettingError: it has some.
    """
    if has_members(folder):
        raise SettingError(
            f"the arm {arm} learns in the LE as it was before it had members; name that one's "
            "folder with --simulator, and it is given members for the other arms"
        )


def folder_with_members(settings: SimulatorSettings, own: RunFolder) -> Path:
    """Where the LE with members is: in the run's folder where it was given them there."""
    return own.path / ENSEMBLE if own.has(ENSEMBLE) else settings.simulator_folder


def give_members(settings: Any, own: RunFolder) -> None:
    """Learn members of the LE and save it with them in the run's folder.

    Args:
        settings: of the run: ``simulator_folder``, ``source``, ``members``, ``seed`` and
            ``budget``.
        own: the run's folder.
    """
    config = MembersConfig(count=settings.members, seed=settings.seed).scaled(settings.budget)
    with own.making(ENSEMBLE) as path:
        save_with_members(
            settings.simulator_folder, settings.source.split, config, own.path / "working", path
        )
    own.remove("working")


def save_with_members(
    simulator: Path, split: Split, config: MembersConfig, checkpoints: Path, folder: Path
) -> None:
    """Learn members of a saved LE and save it with them.

    Args:
        simulator: the LE's folder.
        split: the users from whom it learned, and those who validate.
        config: how members learn.
        checkpoints: from which a training that was killed goes on.
        folder: where the LE with members is written.
    """
    model = LanguageEnvironment.from_pretrained(simulator)
    learn_members(model, split.train, split.validation, config, checkpoints)
    model.save_pretrained(folder)
