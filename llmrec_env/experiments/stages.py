"""Runs the missing stages of an experiment in parallel, in the order of their dependencies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from llmrec_env.common import progress
from llmrec_env.common.jobs import Job, available_cores, run_jobs


@dataclass(frozen=True)
class Stage:
    """A part of a run that is done as a whole, and writes what it found into the run's folder.

    Attributes:
        name: what to call it while it runs; of one run no two stages share it.
        do: the work; it must be picklable.
        is_done: whether an earlier try has done it.
        needs: names of the stages that must be done before.
    """

    name: str
    do: Job
    is_done: bool = False
    needs: tuple[str, ...] = ()


def run_stages(stages: Iterable[Stage], workers: int | None) -> None:
    """Run the stages that are not done.

    Args:
        stages: in the order in which to begin, as far as what they need allows.
        workers: processes at work at once, one thread each; one a core where None.

    Raises:
        LLMRecError: a process was killed.
        Exception: whatever a stage raises.
    """
    listed = list(stages)
    missing = [stage for stage in listed if not stage.is_done]
    if progress.is_shown() and len(missing) < len(listed):
        done = len(listed) - len(missing)
        progress.console.print(f"{done} of {len(listed)} stages were done before")
    run_jobs(
        {stage.name: stage.do for stage in missing},
        workers or available_cores(),
        {stage.name: stage.needs for stage in missing},
    )
