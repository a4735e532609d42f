"""Collects a log into a folder, part by part, so that a killed collection goes on."""

from __future__ import annotations

from llmrec_env.common.progress import progress_bar
from llmrec_env.common.result_folder import ResultFolder
from llmrec_env.evaluation.collecting import Collecting
from llmrec_env.offline.collected import CollectedLog


def collect_to(place: ResultFolder, plan: Collecting) -> None:
    """Collect what is missing, and put the whole log in its place.

    The numbers are those of an uninterrupted run: the episodes of a part follow from their numbers.

    Args:
        place: a claimed folder, whose checkpoint holds the finished parts.
        plan: what to collect.
    """
    folder = place.checkpoint
    with progress_bar("episodes", len(plan.users)) as advance:
        for number, episodes in enumerate(plan.parts):
            piece = _piece(number)
            if folder.has(piece):
                advance(len(episodes), "")
            else:
                plan.play(episodes, advance).save(folder.path / piece)
    parts = [CollectedLog.load(folder.path / _piece(number)) for number in range(len(plan.parts))]
    place.finish(CollectedLog.joined(parts).save)


def _piece(number: int) -> str:
    return f"part-{number:05d}"
