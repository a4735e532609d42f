"""A real Ray cluster labels what one process labels, and losing a worker costs only its shard."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ray.data")

import psutil
import ray
import torch
from ray.cluster_utils import Cluster
from typer.testing import CliRunner

from llmrec_env.cli import app
from llmrec_env.common.errors import LLMRecError, SettingError
from llmrec_env.data import InteractionLog
from llmrec_env.offline import Transitions, distributed
from llmrec_env.offline import sharding as shards
from llmrec_env.offline.distributed import ShardLabeller
from llmrec_env.offline.files import shard_path
from llmrec_env.users.language import embedded_user

pytestmark = pytest.mark.slow
TIMEOUT = 240.0  # seconds, of which a busy machine needs a quarter
OPTIONS: dict[str, Any] = {"augment": 1, "shard_rows": 250}


@pytest.fixture(scope="module")
def log() -> InteractionLog:
    """A hundred users whom the embedded LE never saw, some 2,500 interactions."""
    users = embedded_user().users
    assert users is not None
    return users.select_users(np.arange(100))


@pytest.fixture(scope="module")
def alone(log: InteractionLog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder that one process makes."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    shards.label(log, folder, **OPTIONS)
    return folder


@pytest.fixture
def quick_ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ray whose workers are no nicer than others, and of which no process outlives the test."""
    monkeypatch.setenv("RAY_worker_niceness", "0")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    before = set(psutil.Process().children(recursive=True))
    yield
    ray.shutdown()
    left = set(psutil.Process().children(recursive=True)) - before
    for process in left:
        process.kill()
    psutil.wait_procs(left, timeout=30)


@pytest.fixture
def cluster(quick_ray: None) -> Iterator[Cluster]:
    """Two nodes with room for one actor each, and a connection to them."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def wait_until(condition: Callable[[], object], thread: threading.Thread) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert thread.is_alive(), "labelling ended before its worker could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)


def worker_of(node: Any) -> psutil.Process:
    """The process of the one actor on a node."""
    (raylet,) = (process.process.pid for process in node.all_processes["raylet"])
    (worker,) = (
        child
        for child in psutil.Process(raylet).children(recursive=True)
        if "ShardLabeller" in " ".join(child.cmdline())
    )
    return worker


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("[!.]*.*")}


def test_a_worker_killed_in_the_middle_costs_only_its_shard(
    cluster: Cluster, log: InteractionLog, alone: Path, tmp_path: Path
) -> None:
    log.save(tmp_path / "log.parquet")
    out = tmp_path / "run"
    results: list[Any] = []

    def label() -> None:
        source = tmp_path / "log.parquet"
        results.append(distributed.label(source, out, **OPTIONS))

    thread = threading.Thread(target=label, daemon=True)
    thread.start()
    # both at work, and something done: each left a note of the part that it makes
    notes = out / ".llmrec-attempts"
    wait_until(lambda: len(list(notes.glob("part-*"))) == 2 and list(out.glob("part-*")), thread)
    finished = {path: path.stat().st_mtime_ns for path in out.glob("part-*")}
    victim = worker_of(next(iter(cluster.worker_nodes)))
    victim.kill()
    thread.join(TIMEOUT)
    assert not thread.is_alive()
    assert not victim.is_running()

    manifest = results[0]
    assert len(manifest.shards) == 9
    assert not list(out.glob(".*"))
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    assert contents(out) == contents(alone)
    table = Transitions.load(out)
    last = table.user[table.terminal]
    np.testing.assert_array_equal(last, np.flatnonzero(log.lengths > 1))
    logged = np.bincount(table.user[~table.augmented], minlength=log.n_users)
    np.testing.assert_array_equal(logged, log.lengths - 1)

    # of the same folder only what is missing is made, and an actor's error arrives as one of ours
    shard_path(out, 3).unlink()
    shard_path(out / "log", 3).unlink()
    actor = distributed.ShardLabeller(str(out), "embedded", "cpu", "float32", 1)
    assert "part-00003.parquet is not there" in actor({"number": np.array([3])})["error"][0]
    with pytest.raises(SettingError, match="Ray has CPU=2 and GPU=0"):
        distributed.label(log, out, num_cpus=3, **OPTIONS)
    assert ray.is_initialized()


def test_the_command_starts_a_ray_of_its_own_and_makes_what_is_missing(
    quick_ray: None, log: InteractionLog, alone: Path, tmp_path: Path
) -> None:
    log.save(tmp_path / "log.parquet")
    out = tmp_path / "run"
    shards.label(log, out, **OPTIONS)
    kept = shard_path(out, 0).stat().st_mtime_ns
    shard_path(out, 1).unlink()
    shard_path(out, 8).unlink()
    command = ["label", "--log", str(tmp_path / "log.parquet"), "--out", str(out), "--augment", "1"]
    command += ["--shard-rows", "250", "--engine", "ray", "--actors", "1"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "4614 transitions (2307 added)" in result.output
    assert contents(out) == contents(alone)
    assert shard_path(out, 0).stat().st_mtime_ns == kept
    assert not ray.is_initialized()


def test_an_actor_without_the_run_folder_says_what_is_wrong(tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    try:
        labeller = ShardLabeller(str(tmp_path), "embedded", "cpu", torch.float32, 1)
    finally:
        torch.set_num_threads(threads)
    answer = labeller({"number": np.array([4])})
    assert answer["number"] == [4]
    assert "every machine of the run sees under this name" in answer["error"][0]


def test_settings_and_addresses_that_do_not_exist(
    quick_ray: None, log: InteractionLog, tmp_path: Path
) -> None:
    with pytest.raises(SettingError, match="actors=0"):
        distributed.label(log, tmp_path / "out", actors=0)
    with pytest.raises(LLMRecError, match=r"no Ray at '127.0.0.1:1'.*refused.*ray start --head"):
        distributed.label(log, tmp_path / "out", address="127.0.0.1:1")
    with pytest.raises(LLMRecError, match="no Ray at 'auto'"):
        distributed.label(log, tmp_path / "out", address="auto")
