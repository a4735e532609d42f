"""Helpers for training in several processes, started by ``accelerate launch`` or ``torchrun``.

Every process runs the same program. Training shares out its batches among them; whatever else
decides or writes something happens in the main process, and the others get what it found. With one
process nothing here costs anything, and accelerate is not imported.
"""

from __future__ import annotations

import atexit
import gc
import os
from collections.abc import Callable
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast

from llmrec_env.common.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

T = TypeVar("T")
LONGEST_STAGE = timedelta(hours=24)
"""How long processes wait for the main one, which may pretrain a model or read a catalogue."""

_alone = False
"""Whether the main process is at work while the others wait."""


def count() -> int:
    """Processes that share the work at hand: 1 inside :func:`on_main`."""
    return 1 if _alone else _begun()


def _begun() -> int:
    """Processes that the launcher began, which names to each of them its place."""
    named = "RANK" in os.environ and "LOCAL_RANK" in os.environ
    return int(os.environ.get("WORLD_SIZE", "1")) if named else 1


def rank() -> int:
    """The number of this process among those that share the work, from 0."""
    return int(os.environ["RANK"]) if count() > 1 else 0


def is_main() -> bool:
    """Whether this process decides, writes files and shows progress."""
    return rank() == 0


def check_alone() -> None:
    """Refuse to do the same work, and write the same files, in several processes.

    Raises:
        SettingError: several were begun.
    """
    if count() > 1:
        raise SettingError(
            f"this command works in one process and {count()} were begun; start it without "
            "`accelerate launch`, which is for `fit` and `train`"
        )


def own_device(device: str | torch.device) -> str | torch.device:
    """Where this process computes, given the device that all were given: ``"cuda"`` is its own GPU.

    Several processes also join hands here, over NCCL on GPUs and gloo on CPUs.

    Raises:
        SettingError: several processes were given one GPU, or another kind of device than before.
        RuntimeError, AssertionError: torch knows no such device here.
    """
    if count() == 1:
        return device
    import torch

    wanted = torch.device(device)
    if wanted.type == "cuda":
        torch.cuda.init()  # raises where there is none
    own = cast("torch.device", _group(wanted.type).device)
    if wanted.type == own.type == "cpu":
        return wanted
    if wanted.type != own.type or wanted.index not in (None, own.index):
        raise SettingError(
            f"device {str(device)!r} cannot be used by all of {count()} processes: this one "
            f"computes on {str(own)!r}; give the kind of device alone, such as 'cuda', and the "
            "same in every call"
        )
    return own


def on_main(make: Callable[[], T]) -> T:
    """What ``make`` returns in the main process, in every process; the others wait for it.

    Args:
        make: called in the main process only, and as if there were no others. What it returns or
            raises is pickled: tensors in it must be on the CPU.

    Raises:
        Exception: whatever ``make`` raised, in every process.
    """
    if count() == 1:
        return make()
    from accelerate.utils import broadcast_object_list

    _group()
    outcome: list[Any] = [None, None]
    if is_main():
        try:
            with _others_waiting():
                outcome[0] = make()
        except Exception as error:
            outcome[1] = error
    broadcast_object_list(outcome)
    result, raised = outcome
    if raised is not None:
        raise raised
    return cast(T, result)


def mean(values: torch.Tensor) -> torch.Tensor:
    """The mean of every process's ``values``, which are of one shape and on its own device."""
    if count() == 1:
        return values
    from accelerate.utils import reduce

    _group()
    return cast("torch.Tensor", reduce(values, reduction="mean"))


@contextmanager
def _others_waiting() -> Iterator[None]:
    global _alone
    _alone = True
    try:
        yield
    finally:
        _alone = False


def _part(state: Any) -> None:
    """Leave the other processes, while Python can still wait for the threads that spoke with them.

    Threads of gloo that run when the interpreter has ended abort the process. They end with their
    group, and whatever shared its gradients holds on to that, often in a circle.
    """
    gc.collect()
    state.destroy_process_group()


def _group(device_type: str | None = None) -> Any:
    """accelerate's state: made at the first call, kept afterwards."""
    import torch
    from accelerate import PartialState

    if device_type is None:
        device_type = "cuda" if torch.cuda.is_available() else "cpu"
    joined = torch.distributed.is_initialized()
    state = PartialState(cpu=device_type == "cpu", timeout=LONGEST_STAGE)
    if not joined:
        atexit.register(_part, state)
    if state.num_processes != _begun():
        raise SettingError(
            f"{_begun()} processes were begun and accelerate knows {state.num_processes} of them "
            f"on {str(state.device)!r}; on CPUs an Accelerator must be made with cpu=True"
        )
    return state
