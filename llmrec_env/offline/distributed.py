"""Labels a log on many machines with Ray Data; needs the extra ``ray``.

The work is a list of shard numbers. Each actor loads the LE once, then reads shards of the log from
the run folder and writes their files there, so the folder must stand on a file system that every
machine sees under the same name; through Ray itself pass only numbers. A worker that is lost costs
its shard: Ray asks another, and a file that was finished is never made again.
"""

from __future__ import annotations

import logging
import math
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from llmrec_env.common.arrays import IntArray
from llmrec_env.common.device import dtype_name
from llmrec_env.common.errors import LLMRecError, SettingError
from llmrec_env.common.extras import require
from llmrec_env.common.files import local_path
from llmrec_env.common.jobs import available_cores
from llmrec_env.offline.files import missing_shards
from llmrec_env.offline.manifest import Manifest, check_folder, locked, prepare_run
from llmrec_env.offline.partition import LogSource
from llmrec_env.offline.sharding import SHARD_ROWS, label_shard, load_user, shard_progress

OBJECT_STORE = 128 * 1024**2  # bytes; only numbers pass through a Ray that is started here
CONNECT_SECONDS = 10
QUIET = {"enable_progress_bars": False, "print_on_execution_start": False}


def label(
    source: LogSource,
    out: str | os.PathLike[str],
    simulator: str | os.PathLike[str] = "embedded",
    augment: int = 0,
    shard_rows: int = SHARD_ROWS,
    device: str = "cpu",
    dtype: str = "auto",
    actors: int | None = None,
    num_cpus: float = 1,
    num_gpus: float | None = None,
    address: str | None = None,
) -> Manifest:
    """Label and augment a log with a pool of Ray actors, into the folder that one process makes.

    Takes the Ray that this process is connected to; else connects to ``address`` or
    $RAY_ADDRESS; else starts one on this machine and ends it afterwards.

    Args:
        source: a log, or the path of one in parquet, read by this process alone; see
            :func:`llmrec_env.offline.partition.partition_log`.
        out: the run folder, on a file system that every machine sees under this name; files that
            are in it already are not made again.
        simulator: folder of a saved LE, seen by every machine, or "embedded".
        augment: LE-generated actions added to each step.
        shard_rows: interactions a shard, at least: a user is never divided.
        device: torch device of each actor's LE.
        dtype: in which the LE computes, such as "bfloat16"; "auto" is that on a GPU, else float32.
        actors: LEs at work at once; None: as many as Ray's resources allow now.
        num_cpus: cores of each actor; its torch takes as many threads, at least one.
        num_gpus: GPUs of each actor, or a share of one; None: 1 where the device is CUDA, else 0.
        address: address of a running Ray, such as "auto" or "10.0.0.1:6379".

    Returns:
        The manifest of the run, as :func:`llmrec_env.offline.sharding.label` does.

    Raises:
        MissingExtraError: Ray Data is not installed.
        LLMRecError: what :func:`llmrec_env.offline.sharding.label` raises, here or in an actor; no
            Ray answers at ``address``; or the resources hold no actor.
    """
    ray = require("ray", "ray")
    ray_data = require("ray.data", "ray")
    if (actors is not None and actors < 1) or num_cpus <= 0 or (num_gpus or 0) < 0:
        raise SettingError(
            "actors and num_cpus are positive and num_gpus is not negative; got "
            f"actors={actors}, num_cpus={num_cpus} and num_gpus={num_gpus}"
        )
    folder = check_folder(out)
    if simulator != "embedded":
        simulator = local_path(simulator, "simulator").absolute()
    with locked(folder):
        manifest = prepare_run(
            source, folder, simulator, augment, shard_rows, dtype_name(dtype, device)
        )
        missing = missing_shards(folder, manifest.marks)
        if not missing:
            return manifest
        needed = {
            "CPU": num_cpus,
            "GPU": float(device.startswith("cuda")) if num_gpus is None else num_gpus,
        }
        with (
            _quiet(ray_data),
            _connected(ray, address, math.ceil((actors or 1) * num_cpus)),
            shard_progress(manifest, missing) as made,
        ):
            numbers = ray_data.from_items(
                [{"number": number} for number in missing], override_num_blocks=len(missing)
            )
            results = numbers.map_batches(
                ShardLabeller,
                fn_constructor_args=(str(folder), str(simulator), device, manifest.dtype, num_cpus),
                batch_size=1,  # one shard a task, and as many blocks as shards
                concurrency=actors or _most_actors(ray, needed, len(missing)),
                num_cpus=needed["CPU"],
                num_gpus=needed["GPU"],
            )
            for row in results.iter_rows():
                if row["error"]:
                    raise LLMRecError(row["error"])
                made(row["number"])
        return manifest


class ShardLabeller:
    """What an actor holds: the LE and the manifest, loaded once.

    Args:
        folder: the run folder.
        simulator: folder of a saved LE, or "embedded".
        device: torch device.
        dtype: in which it computes.
        num_cpus: cores of this actor.
    """

    def __init__(
        self, folder: str, simulator: str, device: str, dtype: str, num_cpus: float
    ) -> None:
        torch.set_num_threads(max(1, int(num_cpus)))
        self._folder = Path(folder)
        self._user_settings = (simulator, device, dtype)
        self._loaded: tuple[Manifest, Any] | None = None

    def __call__(self, batch: dict[str, IntArray]) -> dict[str, list[Any]]:
        """Make the files of the shards ``batch["number"]``.

        An error raised on purpose comes back as text: Ray would wrap an exception in its own and in
        the actor's traceback.
        """
        numbers = batch["number"].tolist()
        try:
            if self._loaded is None:
                self._loaded = Manifest.load(self._folder), load_user(*self._user_settings)
            manifest, user = self._loaded
            for number in numbers:
                label_shard(self._folder, manifest, number, user)
        except LLMRecError as error:
            return {"number": numbers, "error": [str(error)] * len(numbers)}
        return {"number": numbers, "error": [""] * len(numbers)}


def _most_actors(ray: Any, needed: dict[str, float], n_shards: int) -> int:
    """How many actors the resources hold at once, no more than there are shards."""
    available = ray.cluster_resources()
    room = [int(available.get(name, 0) // each) for name, each in needed.items() if each]
    if min(room) == 0:
        raise SettingError(
            f"an actor needs {needed}, but Ray has CPU={available.get('CPU', 0):g} and "
            f"GPU={available.get('GPU', 0):g}; ask for less, or give the number of actors if "
            "machines are still to join"
        )
    return min(*room, n_shards)


@contextmanager
def _connected(ray: Any, address: str | None, cores: int) -> Iterator[None]:
    """A connection to Ray; one that was made here ends here."""
    if ray.is_initialized():
        yield
        return
    address = address or os.environ.get("RAY_ADDRESS")
    options: dict[str, Any] = {"address": address}
    if address is None:
        options = {
            "address": "local",
            "num_cpus": max(cores, available_cores()),
            "object_store_memory": OBJECT_STORE,
            "include_dashboard": False,
        }
    try:
        _knock(address)
        with _own_signals():
            ray.init(logging_level=logging.ERROR, log_to_driver=False, **options)
    except Exception as error:  # a node that does not come up raises no more than that
        where = f"at {address!r}" if address else "on this machine"
        raise LLMRecError(
            f"no Ray {where}: {error}; `ray start --head` starts one, and without an address one "
            "is started on this machine"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep what this process does at SIGTERM, which Ray would replace by leaving at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _knock(address: str | None) -> None:
    """Raise an OSError where nobody answers at ``host:port``; Ray itself would wait for minutes."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if port.isdigit():
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()


@contextmanager
def _quiet(ray_data: Any) -> Iterator[None]:
    """Without Ray's own bars and lines; what its users had set comes back."""
    context = ray_data.DataContext.get_current()
    before = {name: getattr(context, name) for name in QUIET if hasattr(context, name)}
    loggers = [logging.getLogger(name) for name in ("ray", "ray.data")]
    levels = [logger.level for logger in loggers]
    for name in before:
        setattr(context, name, QUIET[name])
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        for name, value in before.items():
            setattr(context, name, value)
