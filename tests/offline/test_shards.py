"""A log labelled in shards is the log labelled whole, and a killed run goes on where it was."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from offline_users import make_log

from llmrec_env.common.errors import (
    DataError,
    LLMRecError,
    MissingExtraError,
    SettingError,
    SimulatorError,
)
from llmrec_env.data import Catalogue, InteractionLog
from llmrec_env.offline import Transitions, distributed, partition, transitions
from llmrec_env.offline import sharding as shards
from llmrec_env.offline.files import count_rows, shard_path
from llmrec_env.offline.manifest import Manifest, prepare_run
from llmrec_env.offline.partition import partition_log
from llmrec_env.offline.table import COLUMNS
from llmrec_env.users.language import embedded_user

pytestmark = pytest.mark.core

FLOATS = ("state", "next_state", "reward", "next_reward")
lengths_of_users = st.lists(st.integers(1, 9), min_size=1, max_size=12).filter(lambda n: max(n) > 1)


def log_of(lengths: list[int], catalogue: Catalogue, seed: int = 0) -> InteractionLog:
    """Users with so many interactions each, over the items of a catalogue."""
    offsets = np.cumsum([0, *lengths]).astype(np.int64)
    items = np.random.default_rng(seed).integers(0, len(catalogue), offsets[-1])
    users = pl.Series([f"user {u}" for u in range(len(lengths))])
    return InteractionLog(catalogue, users, offsets, items)


def assert_same_table(table: Transitions, other: Transitions) -> None:
    assert (table.n_items, table.kind) == (other.n_items, other.kind)
    for name in COLUMNS:
        ours, theirs = getattr(table, name), getattr(other, name)
        assert ours.dtype == theirs.dtype
        if name in FLOATS:
            np.testing.assert_allclose(ours, theirs, atol=1e-5, err_msg=name)
        else:
            np.testing.assert_array_equal(ours, theirs, err_msg=name)


@pytest.fixture(scope="module")
def known() -> Catalogue:
    """The items that the embedded LE knows."""
    return embedded_user().catalogue


@settings(max_examples=60, deadline=None)
@given(lengths_of_users, st.integers(1, 30), st.integers(1, 20), st.booleans())
def test_parts_hold_every_user_once_and_whole(
    lengths: list[int], rows: int, read_rows: int, on_disk: bool
) -> None:
    log = make_log([[u % 12] * n for u, n in enumerate(lengths)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(partition, "READ_ROWS", read_rows)
        source: InteractionLog | Path = log
        if on_disk:
            source = Path("log.parquet").absolute()
            log.save(source)
        parts = list(partition_log(source, log.catalogue, rows))
    if on_disk:
        Path(source).unlink()
    whole = pl.concat(part.table for part in parts)
    assert whole.equals(log.to_table())
    first = 0
    for part in parts:
        users = part.table["user_id"].unique(maintain_order=True)
        assert part.first_user == first
        assert len(users) == part.n_users
        first += part.n_users
        # a part is full, and would not be without its last user
        last = (part.table["user_id"] == users[-1]).sum()
        assert part.table.height - last < rows
        assert part.table.height >= rows or part is parts[-1]
    assert first == log.n_users


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@settings(max_examples=12, deadline=None)
@given(lengths_of_users, st.integers(1, 30), st.sampled_from([0, 1, 2]), st.integers(0, 9))
def test_all_parts_are_the_table_of_the_whole_log(
    tmp_path_factory: pytest.TempPathFactory,
    lengths: list[int],
    shard_rows: int,
    augment: int,
    seed: int,
) -> None:
    out = tmp_path_factory.mktemp("run") / "out"
    user = embedded_user()
    log = log_of(lengths, user.catalogue, seed)
    manifest = shards.label(log, out, augment=augment, shard_rows=shard_rows)
    table = Transitions.load(out)
    assert_same_table(table, transitions(log, user, augment=augment))
    assert count_rows(out) == (len(table), int(table.augmented.sum()))
    assert (manifest.n_users, manifest.n_rows) == (log.n_users, len(log))
    assert Manifest.load(out) == manifest
    for number, shard in enumerate(manifest.shards):  # each part says whose it is
        part = pl.read_parquet(shard_path(out, number))["user"]
        assert part.is_between(shard.first_user, shard.first_user + shard.n_users - 1).all()


def test_a_parquet_file_is_labelled_as_the_log_in_it(known: Catalogue) -> None:
    log = log_of([5, 1, 7, 2, 2], known)
    log.save("log.parquet")
    assert shards.label("log.parquet", "file", shard_rows=6) == shards.label(
        log, "memory", shard_rows=6
    )
    for path in Path("memory").glob("*.parquet"):
        assert (Path("file") / path.name).read_bytes() == path.read_bytes()
    # ids may be numbers, and a folder is its files in the order of their names
    Path("logs").mkdir()
    for name, users in (("a", [0, 1]), ("b", [2, 3, 4])):
        table = log.select_users(users).to_table()
        numbers = pl.col("user_id").str.strip_prefix("user ").cast(pl.Int64)
        table.with_columns(numbers).write_parquet(f"logs/{name}.parquet")
    shards.label("logs", "folder", shard_rows=6)
    assert_same_table(Transitions.load("folder"), Transitions.load("memory"))


def test_users_of_one_interaction_make_an_empty_part(known: Catalogue) -> None:
    log = log_of([1, 1, 1, 4, 1, 1], known)
    manifest = shards.label(log, "out", augment=1, shard_rows=2)
    heights = [
        pl.read_parquet(shard_path(Path("out"), i)).height for i in range(len(manifest.shards))
    ]
    assert heights == [0, 6, 0]
    assert_same_table(Transitions.load("out"), transitions(log, embedded_user(), augment=1))
    with pytest.raises(DataError, match="no user has two interactions"):
        shards.label(log_of([1, 1], known), "nobody")


@pytest.mark.slow
def test_a_killed_run_goes_on_and_repeats_nothing(known: Catalogue) -> None:
    log = log_of([20] * 60, known)
    log.save("log.parquet")
    options = {"augment": 1, "shard_rows": 100}
    command = [sys.executable, "-m", "llmrec_env.cli", "label", "--log", "log.parquet"]
    command += ["--out", "killed", "--augment", "1", "--shard-rows", "100"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    out, deadline = Path("killed"), time.monotonic() + 120
    while len(list(out.glob("part-*"))) < 3 and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = {path: path.stat().st_mtime_ns for path in out.glob("part-*")}
    assert 3 <= len(finished) < 12
    with pytest.raises(DataError, match=r"of 12 parts are not there yet.*part-000"):
        Transitions.load(out)

    shards.label("log.parquet", out, **options)
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    shards.label(log, "whole", **options)
    names = sorted(path.name for path in Path("whole").iterdir())
    assert sorted(path.name for path in out.iterdir()) == names  # nothing of the killed one is left
    for name in set(names) - {"log"}:
        assert (out / name).read_bytes() == Path("whole", name).read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"augment": 1}, r"another run \(augment=0 instead of 1\)"),
        ({"shard_rows": 5}, r"another run \(shard_rows=4 instead of 5\)"),
    ],
)
def test_the_folder_of_another_run_is_refused(
    known: Catalogue, options: dict, message: str
) -> None:
    shards.label(log_of([3, 4], known), "out", shard_rows=4)
    with pytest.raises(DataError, match=message):
        shards.label(log_of([3, 4], known), "out", **{"shard_rows": 4} | options)


def test_a_folder_of_another_log_or_of_other_things_is_refused(known: Catalogue) -> None:
    shards.label(log_of([3, 4], known), "out", shard_rows=4)
    with pytest.raises(DataError, match=r"another run \(another log\)"):
        shards.label(log_of([3, 4], known, seed=1), "out", shard_rows=4)
    manifest = json.loads(Path("out/manifest.json").read_text())
    Path("out/manifest.json").write_text(json.dumps(manifest | {"simulator": "someone else"}))
    with pytest.raises(DataError, match="another simulator"):
        shards.label(log_of([3, 4], known), "out", shard_rows=4)
    Path("out/manifest.json").write_text(json.dumps(manifest | {"format": 99}))
    with pytest.raises(DataError, match="format 99"):
        shards.label(log_of([3, 4], known), "out", shard_rows=4)
    Path("out/manifest.json").write_text(json.dumps(manifest))
    Path("out/manifest.json").rename("out/plan.json")  # as it was called before
    assert len(Transitions.load("out")) == 5
    shards.label(log_of([3, 4], known), "out", shard_rows=4)  # goes on with it
    assert not Path("out/manifest.json").exists()
    Path("notes").mkdir()
    Path("notes/mine.txt").touch()
    with pytest.raises(DataError, match=r"holds other files \('mine.txt'"):
        shards.label(log_of([3, 4], known), "notes")
    with pytest.raises(DataError, match="is a file"):
        shards.label(log_of([3, 4], known), "notes/mine.txt")
    with pytest.raises(DataError, match="holds no parts of a table"):
        Transitions.load("notes")


def test_a_part_that_is_not_whole_is_made_again(known: Catalogue) -> None:
    log = log_of([3, 4, 5, 2, 6], known)
    shards.label(log, "out", augment=1, shard_rows=4)
    whole = {path: path.read_bytes() for path in Path("out").rglob("*.parquet")}
    for damage in (b"", b"PAR1", whole[shard_path(Path("out"), 1)][:-9]):
        for part in (shard_path(Path("out"), 1), shard_path(Path("out/log"), 0)):
            part.write_bytes(damage)
        shard_path(Path("out"), 0).unlink()
        with pytest.raises(DataError, match="2 of 3 parts are not there yet, or not whole, the"):
            Transitions.load("out")
        shards.label(log, "out", augment=1, shard_rows=4)
        assert {path: path.read_bytes() for path in whole} == whole


def test_a_part_of_another_origin_is_refused(known: Catalogue) -> None:
    log = log_of([3, 4, 5, 2], known)
    shards.label(log, "out", shard_rows=4)
    shards.label(log, "other", augment=1, shard_rows=4)
    part = shard_path(Path("out"), 1)
    fewer = pl.read_parquet(part).head(1)
    for make in (
        lambda: fewer.write_parquet(part),
        lambda: part.write_bytes(shard_path(Path("other"), 1).read_bytes()),
        lambda: part.write_bytes(shard_path(Path("out"), 0).read_bytes()),
    ):
        make()
        found = part.read_bytes()
        for use in (lambda: shards.label(log, "out", shard_rows=4), lambda: count_rows("out")):
            with pytest.raises(DataError, match=r"part-00001.parquet is not the part that this"):
                use()
        with pytest.raises(DataError, match="a file of another origin"):
            Transitions.load("out")
        assert part.read_bytes() == found


def test_what_others_keep_in_a_run_folder_is_left(known: Catalogue) -> None:
    mine = [Path("out", name, "mine.txt") for name in (".log.old", ".part-00000", ".logs", ".a")]
    for path in mine:
        path.parent.mkdir(parents=True)
        path.touch()
    for _ in range(2):
        shards.label(log_of([3, 4], known), "out", shard_rows=4)
        assert all(path.exists() for path in mine)
    rows = Path("thesis/log")
    rows.mkdir(parents=True)
    log_of([3, 4], known).save(rows / "part-00000.parquet")
    with pytest.raises(DataError, match="holds other files"):
        shards.label(rows, "thesis", shard_rows=4)
    assert len(list(Path("thesis").rglob("*"))) == 2


HOLD = """
import sys
from pathlib import Path
from llmrec_env.common.locks import lock_folder
lock_folder(Path(sys.argv[1]))
print("locked", flush=True)
sys.stdin.read()
"""


def test_one_process_at_a_time_labels_into_a_folder(known: Catalogue) -> None:
    log, pipe = log_of([3, 4], known), subprocess.PIPE
    Path("out").mkdir()
    with subprocess.Popen([sys.executable, "-c", HOLD, "out"], stdin=pipe, stdout=pipe) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(SettingError, match=f"process {other.pid} is at work in .*out; wait"):
            shards.label(log, "out", shard_rows=4)
        other.kill()
    shards.label(log, "out", shard_rows=4)
    assert not list(Path("out").glob(".*"))


def test_names_are_no_patterns(known: Catalogue) -> None:
    for name, lengths in (("out1", [3, 3]), ("out[1]", [4, 4, 4]), ("out*", [2]), ("out?", [9])):
        log = log_of(lengths, known)
        log.save(f"{name}.parquet")
        assert shards.label(f"{name}.parquet", name, shard_rows=4).n_rows == sum(lengths)
        table = transitions(log, embedded_user())
        assert_same_table(Transitions.load(name), table)
        assert count_rows(name) == (len(table), 0)
        table.save(f"{name}/.table.parquet")
        assert_same_table(Transitions.load(f"{name}/.table.parquet"), table)


def test_addresses_are_refused_before_anything_is_written(known: Catalogue) -> None:
    log, there = log_of([3, 4], known), "s3://bucket/x"
    for use in (
        lambda: shards.label(log, there),
        lambda: shards.label(there, "out"),
        lambda: Transitions.load(there),
        lambda: transitions(log, embedded_user()).save(there),
        lambda: count_rows(there),
    ):
        with pytest.raises(SettingError, match="only paths of this machine are opened"):
            use()
    assert not list(Path().iterdir())


def rows_of(*rows: tuple[str | None, str, int]) -> Path:
    """A parquet log."""
    columns = ["user_id", "item_id", "time"]
    pl.DataFrame(rows, schema=columns, orient="row").write_parquet("rows.parquet")
    return Path("rows.parquet")


@pytest.mark.parametrize("rows", [1, 100])
def test_unsorted_rows_are_refused(rows: int) -> None:
    catalogue = make_log([[0]]).catalogue
    apart = rows_of(("a", "i0", 1), ("a", "i1", 2), ("b", "i0", 1), ("c", "i0", 1), ("a", "i2", 3))
    with pytest.raises(DataError, match=r"user 'a' are not together.*row 5; sort.*sink_parquet"):
        list(partition_log(apart, catalogue, rows))
    back = rows_of(("a", "i0", 1), ("b", "i1", 9), ("b", "i0", 8))
    with pytest.raises(DataError, match="row 3 of user 'b' is earlier"):
        list(partition_log(back, catalogue, rows))
    as_texts = rows_of(("a", "i0", "9"), ("a", "i1", "10"), ("b", "i1", "2"), ("b", "i0", "3"))
    assert sum(part.n_users for part in partition_log(as_texts, catalogue, rows)) == 2
    unknown_time = rows_of(("a", "i0", 2), ("a", "i1", None), ("b", "i1", 1), ("b", "i0", 1))
    assert sum(part.n_users for part in partition_log(unknown_time, catalogue, rows)) == 2


def test_files_that_are_no_log_are_refused() -> None:
    catalogue = make_log([[0]]).catalogue
    cases = {
        "no such file": Path("nowhere.parquet"),
        "rows.parquet: unknown item id 'x'": rows_of(("a", "i0", 1), ("a", "x", 2)),
    }
    for message, source in cases.items():
        with pytest.raises(DataError, match=message):
            list(partition_log(source, catalogue, 10))
    with pytest.raises(DataError, match="row 2 has no user_id"):
        list(partition_log(rows_of(("a", "i0", 1), (None, "i1", 2)), catalogue, 10))
    with pytest.raises(DataError, match="no interactions"):
        list(partition_log(rows_of(), catalogue, 10))
    pl.DataFrame({"user_id": ["a"]}).write_parquet("columns.parquet")
    with pytest.raises(DataError, match="no column 'item_id'"):
        list(partition_log("columns.parquet", catalogue, 10))
    Path("log.csv").write_text("user_id,item_id\n")
    with pytest.raises(DataError, match="expected a log in parquet"):
        list(partition_log("log.csv", catalogue, 10))
    with pytest.raises(DataError, match="share one catalogue"):
        list(partition_log(make_log([[0, 1]], n_items=5), catalogue, 10))
    nobody = InteractionLog(catalogue, pl.Series(["a", "b"]), np.array([0, 0, 2]), np.array([1, 2]))
    with pytest.raises(DataError, match="a user of the log has no interactions"):
        list(partition_log(nobody, catalogue, 10))


def test_settings_and_simulators_that_do_not_exist(known: Catalogue) -> None:
    log = log_of([2], known)
    with pytest.raises(SettingError, match="augment=-1"):
        shards.label(log, "out", augment=-1)
    with pytest.raises(SettingError, match="shard_rows=0"):
        shards.label(log, "out", shard_rows=0)
    with pytest.raises(SimulatorError, match="no saved LE in 'true-taste'"):
        shards.label(log, "out", simulator="true-taste")
    assert not Path("out").exists()


def test_a_shard_that_its_workers_die_of_is_given_up(known: Catalogue) -> None:
    out, user = Path("out"), embedded_user()
    manifest = prepare_run(log_of([2, 2], known), out, "embedded", 0, 2, "float32")
    Path("out/.llmrec-attempts").mkdir()
    for attempt in range(shards.TRIES):
        Path(f"out/.llmrec-attempts/part-00001.parquet.{attempt}").touch()  # a killed worker's note
    shards.label_shard(out, manifest, 0, user)
    with pytest.raises(LLMRecError, match="5 workers died"):
        shards.label_shard(out, manifest, 1, user)
    shards.label(log_of([2, 2], known), out, shard_rows=2)  # a new run begins to count anew
    assert len(Transitions.load(out)) == 2


def test_without_ray_the_error_names_the_extra(
    known: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r'pip install "llmrec-env\[ray\]"'):
        distributed.label(log_of([2], known), "out")
    assert not Path("out").exists()
