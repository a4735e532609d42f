"""The offline benchmark on a tiny generated world, through the real d3rlpy and the embedded LE."""

from __future__ import annotations

import inspect
import json
import pickle
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

pytest.importorskip("d3rlpy")

from few_users import WORLD, le_of_nobody

from llmrec_env.cli import app
from llmrec_env.cli.bench.offline import offline
from llmrec_env.common.errors import SettingError
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.source import Source
from llmrec_env.data.splits import split_by_user
from llmrec_env.data.world.generated import generate_world
from llmrec_env.experiments import opened
from llmrec_env.experiments.offline_benchmark import OfflineSettings, run, run_offline
from llmrec_env.experiments.offline_benchmark.datasets import DATASETS
from llmrec_env.experiments.offline_benchmark.report import difference
from llmrec_env.offline.d3rlpy import D3rlpyPolicy, to_mdp_dataset, train
from llmrec_env.offline.d3rlpy.algorithms import ALGORITHMS
from llmrec_env.offline.table import Transitions
from llmrec_env.users.true_taste import TrueTasteUser

SIMULATOR = le_of_nobody()
TINY = OfflineSettings(
    simulator=str(SIMULATOR),
    algorithms=("bc", "cql"),
    datasets=("logged", "augment1"),
    seeds=1,
    steps=3,
    episodes=2,
    world_size=WORLD,
)
LABELS = {
    *("random", "popularity", "the LE's own actions", "BC, logged", "BC, LE + 1 LE action"),
    *("CQL, logged", "CQL, LE + 1 LE action"),
}
runner = CliRunner()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished benchmark."""
    path = tmp_path_factory.mktemp("bench") / "out"
    run_offline(TINY, path, workers=1)
    return path


def row_files(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/row.json")}


def test_every_run_stands_in_the_tables_the_files_and_the_picture(folder: Path) -> None:
    results = json.loads((folder / "results.json").read_text())
    elements = [e for section in results["sections"] for e in section["elements"]]
    tables = {e["title"]: e for e in elements if e["@"] == "Table"}
    for title in ("Next item of test users", "Return"):
        assert {row[0] for row in tables[title]["rows"]} == LABELS
        assert "1,000" not in tables[title]["note"]
        assert "3 gradient steps" in tables[title]["note"]
    shown = tables["Return"]["columns"]
    assert shown == [
        *("run", "LE users", "LE users, unmasked", "true users", "true users, unmasked")
    ]
    differences = tables["Minus the same algorithm on “logged”"]["rows"]
    assert {row[0] for row in differences} == {"BC, LE + 1 LE action", "CQL, LE + 1 LE action"}
    (bars,) = (e for e in elements if e["@"] == "Bars")
    assert set(bars["series"]) == {"BC", "CQL"}
    assert set(bars["levels"]) == {"random", "popularity", "the LE's own actions"}
    page = (folder / "results.md").read_text()
    assert all(f"| {label}" in page for label in LABELS)
    assert "](figures/01-" in page
    assert (folder / "report.html").exists()


def test_the_rows_of_all_runs_are_one_table(folder: Path) -> None:
    table = pl.read_parquet(folder / "runs.parquet")
    assert table.height == len(TINY.runs) == 7
    assert pl.read_csv(folder / "runs.csv").columns == table.columns
    assert table["dataset"].null_count() == 3  # the controls
    for name in ("return_LE", "return_LE_unmasked", "return_truth", "return_truth_unmasked"):
        assert table[name].is_finite().all()
    assert table["HR@10"].is_between(0, 1).all()
    rows = {path.parent.name: json.loads(path.read_text()) for path in row_files(folder)}
    assert set(rows) == {run.name for run in TINY.runs}
    logged, augmented = (rows[f"cql-{name}-0"]["transitions"] for name in TINY.datasets)
    assert augmented == 2 * logged
    returns = rows["cql-logged-0"]["returns"]["truth"]
    assert rows["cql-logged-0"]["return_truth"] == pytest.approx(np.mean(returns))


def test_a_benchmark_that_was_killed_repeats_nothing_and_finds_the_same(folder: Path) -> None:
    lost = folder / "runs" / "cql-augment1-0" / "row.json"
    before, results = json.loads(lost.read_text()), (folder / "results.json").read_bytes()
    lost.unlink()
    kept = row_files(folder)
    datasets = [path.stat().st_mtime_ns for path in sorted(folder.glob("datasets/*"))]
    run_offline(TINY, folder, workers=1)
    after = json.loads(lost.read_text())
    for row in (before, after):
        del row["cpu_seconds"]
    assert after == before
    assert (folder / "results.json").read_bytes() == results
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert [path.stat().st_mtime_ns for path in sorted(folder.glob("datasets/*"))] == datasets


def test_other_settings_do_not_share_a_folder(folder: Path) -> None:
    kept = row_files(folder)
    other = OfflineSettings(**{**vars(TINY), "steps": 4, "algorithms": ("bc",)})
    told = r"algorithms=\['bc', 'cql'\] instead of \['bc'\], steps=3 instead of 4"
    with pytest.raises(SettingError, match=told):
        run_offline(other, folder, workers=1)
    assert row_files(folder) == kept


def test_an_le_learned_anew_is_another_benchmark(tmp_path: Path) -> None:
    le = shutil.copytree(SIMULATOR, tmp_path / "le")
    settings = replace(TINY, simulator=str(le), algorithms=("bc",), datasets=("logged",))
    run_offline(settings, tmp_path / "out", workers=1)
    (le / "config.json").write_text((le / "config.json").read_text() + "\n")
    with pytest.raises(SettingError, match=r"other settings \(another simulated user\)"):
        run_offline(settings, tmp_path / "out", workers=1)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(SettingError, match="holds something else"):
        run_offline(TINY, tmp_path, workers=1)
    assert (tmp_path / "config.json").read_text(encoding="utf-8") == "{}"


def test_jobs_may_cross_into_processes() -> None:
    job = partial(run._run, TINY, Path("out"), TINY.runs[0], False)
    assert pickle.loads(pickle.dumps(job)).args == job.args


def test_the_command_line_has_the_defaults_of_the_settings() -> None:
    given = {name: option.default for name, option in inspect.signature(offline).parameters.items()}
    given |= {name: () for name in ("events", "event", "column") if given[name] is None}
    for name in ("algorithms", "datasets"):
        given[name] = tuple(given[name].split(","))
    settings = vars(OfflineSettings())
    assert {name: given[name] for name in settings if name in given} == {
        name: value for name, value in settings.items() if name != "world_size"
    }
    assert OfflineSettings().command == "llmrec bench offline"
    assert OfflineSettings(steps=5, algorithms=("bc", "dqn")).command == (
        "llmrec bench offline --algorithms bc,dqn --steps 5"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--algorithms", "bc,dqm"], "algorithms must be some of bc, dqn, double_dqn, cql, bcq"),
        (["--datasets", "logged,logged"], "each named once; got logged,logged"),
        (["--seed", "1"], "learn one with `llmrec fit`"),
        (["--data", "somewhere"], "name its folder with --simulator"),
    ],
)
def test_wrong_options_are_one_clear_error(
    options: list[str], message: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    result = runner.invoke(app, ["bench", "offline", "--out", str(out), *options])
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output
    assert not out.exists()


def test_a_log_without_a_known_truth_is_judged_by_its_simulated_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, out = generate_world(0, *WORLD).log, tmp_path / "out"

    def my_log(*settings: Any) -> Source:  # the embedded LE knows the items of no file
        return Source("my log", log, split_by_user(log))

    monkeypatch.setattr(opened, "open_source", my_log)
    command = ["bench", "offline", "--data", "my log", "--simulator", str(SIMULATOR)]
    command += ["--out", str(out), "--algorithms", "bc", "--datasets", "logged"]
    command += ["--seeds", "1", "--steps", "2", "--episodes", "2", "--workers", "1"]
    result = runner.invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "BC, logged" in result.output
    columns = pl.read_csv(out / "runs.csv").columns
    assert "return_LE" in columns
    assert "return_truth" not in columns


@pytest.fixture(scope="module")
def small() -> tuple[InteractionLog, TrueTasteUser]:
    world = generate_world(n_items=30, n_users=20)
    return world.log, TrueTasteUser(world)


@pytest.fixture(scope="module")
def tables(small: tuple[InteractionLog, TrueTasteUser]) -> dict[str, Transitions]:
    return {name: variant.make(*small, seed=0) for name, variant in DATASETS.items()}


def test_datasets_differ_in_what_their_names_say(
    small: tuple[InteractionLog, TrueTasteUser], tables: dict[str, Transitions]
) -> None:
    logged, reward, state = (tables[name] for name in ("logged", "reward", "state"))
    assert set(logged.reward) == {1.0}
    assert np.array_equal(reward.state, logged.state)
    assert np.array_equal(reward.reward, state.reward)
    assert state.kind == "language"
    n = len(logged)
    sizes = {name: len(table) for name, table in tables.items()}
    assert sizes == {
        **{"logged": n, "reward": n, "state": n},
        **{"augment1": 2 * n, "augment4": 5 * n, "random": 2 * n, "knn": 2 * n},
    }
    added = {name: tables[name].action[n:] for name in ("augment1", "random", "knn")}
    assert not np.array_equal(added["augment1"], added["random"])
    assert not np.array_equal(added["augment1"], added["knn"])
    for name, variant in DATASETS.items():
        same = np.array_equal(variant.make(*small, seed=1).action, tables[name].action)
        assert same != variant.is_drawn


@pytest.mark.parametrize("dataset", ["logged", "augment1"])
@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_learns_from_histories_and_from_states(
    name: str, dataset: str, tables: dict[str, Transitions], small: Any
) -> None:
    table, algorithm = tables[dataset], ALGORITHMS[name]
    algo = algorithm.create(table.kind, table.n_items)
    for option, value in algorithm.settings.items():
        assert getattr(algo.config, option) == value
    labeller = small[1] if algorithm.actions == "embedding" else None
    train(algo, to_mdp_dataset(table, labeller, actions=algorithm.actions), n_steps=1)
    policy = D3rlpyPolicy(algo, "history" if dataset == "logged" else "state", small[1])
    assert policy.action_scores(table.state[:3]).shape == (3, 30)


def test_targets_of_q_learning_are_copied_while_it_learns() -> None:
    """d3rlpy's own interval is 8,000 steps; the demo takes 400, the example 1,000."""
    learners = [a for a in ALGORITHMS.values() if a.label not in ("BC", "BC of points")]
    assert len(learners) == len(ALGORITHMS) - 2
    for algorithm in learners:
        config = algorithm.create("language", 30).config
        assert getattr(config, "target_update_interval", 100) == 100
        assert config.gamma == 0.5


def test_algorithms_of_points_stand_beside_those_of_items(tmp_path: Path) -> None:
    settings = replace(TINY, algorithms=("cql", "td3_bc"), datasets=("state",))
    run_offline(settings, tmp_path / "out", workers=1)
    table = pl.read_csv(tmp_path / "out" / "runs.csv")
    learned = table.filter(pl.col("algorithm") == "td3_bc")
    assert set(learned["dataset"]) == {"state"}
    assert learned["HR@10"].is_between(0, 1).all()
    page = (tmp_path / "out" / "results.md").read_text()
    assert "| TD3+BC | TD3PlusBC | points |" in page
    assert "| CQL | DiscreteCQL | items |" in page


def test_differences_are_taken_user_by_user_and_seed_by_seed() -> None:
    rng = np.random.default_rng(0)
    other = rng.normal(size=(3, 8))
    one = other + np.array([[2.0], [1.0], [-0.5]]) + rng.uniform(-0.1, 0.1, (3, 8))
    groups = {
        ("bc", name): [{"returns": {"LE": list(seed)}} for seed in values]
        for name, values in (("augment1", one), ("logged", other))
    }
    found, agreeing = difference(groups, "bc", "augment1", "logged", "LE")
    per_user = (one - other).mean(axis=0)
    half = 1.959964 * per_user.std(ddof=1) / 8**0.5
    assert found.mean == pytest.approx(per_user.mean())
    assert (found.low, found.high) == pytest.approx(
        (per_user.mean() - half, per_user.mean() + half)
    )
    assert agreeing == 2
