"""A whole study on a tiny world: killed, continued, grown, and what it leaves."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest
from counted_trainings import Killed, Trainings

from agents import Recommender
from llmrec_env.common.errors import DivergedError, SettingError
from llmrec_env.common.files import read_json, write_json
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.source import log_fingerprint
from llmrec_env.experiments.study import StudySettings, run_study
from llmrec_env.experiments.study.runs import runs_of
from llmrec_env.reporting import Forest, Report

pytest.importorskip("optuna")
pytest.importorskip("scipy")
pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")
pytestmark = pytest.mark.slow

SETTINGS = StudySettings(
    backbones=("gru4rec",),
    methods=("plain", "random targets", "item-kNN targets", "soft targets"),
    seeds=2,
    splits=2,
    trials=2,
    budget=0.01,
    world_size=(60, 60),
)
TRIALS, RUNS = 4 * 2, 4 * 2 * 2


class Study(NamedTuple):
    """A finished study, and how many trainings each try took."""

    report: Report
    out: Path
    tries: list[int]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    """A study that was killed in the middle of its searches, then of its runs, and finished."""
    out = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLMREC_CACHE", str(out / "cache"))
        trainings, tries = Trainings(patch), []
        for killed_at in (TRIALS - 1, TRIALS + 5):
            trainings.killed_at = killed_at
            with pytest.raises(Killed):
                run_study(SETTINGS, out / "run", workers=1)
            tries.append(trainings.count)
        trainings.killed_at = 10**6
        report = run_study(SETTINGS, out / "run", workers=1)
        yield Study(report, out / "run", [*tries, trainings.count])


def test_a_killed_study_repeats_nothing(study: Study) -> None:
    assert study.tries == [TRIALS - 1, TRIALS + 5, TRIALS + RUNS]
    overview = pl.read_parquet(study.out / "runs.parquet")
    assert overview.height == len(runs_of(SETTINGS))
    assert pl.read_csv(study.out / "runs.csv").height == overview.height
    trained = overview.filter(pl.col("backbone").is_not_null())
    assert trained.group_by("split", "method").len()["len"].to_list() == [2] * 8


def test_it_goes_on_as_if_it_had_not_been_killed(study: Study, tmp_path: Path) -> None:
    """Another study without language finds the same hyper-parameters and the same metrics."""
    settings = replace(SETTINGS, methods=("plain", "random targets"), seeds=1)
    again = run_study(settings, tmp_path, workers=1)
    for name in ("gru4rec/plain/seed0", "gru4rec/random_targets/seed0"):
        rows = [read_json(o / f"split1/runs/{name}/row.json") for o in (study.out, tmp_path)]
        for part in ("test", "validation", "config"):
            assert rows[0][part] == rows[1][part]
    assert (
        again.table("Next-item ranking").rows[0] == study.report.table("Next-item ranking").rows[0]
    )


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"a": "saved recommender"}', encoding="utf-8")
    with pytest.raises(SettingError, match="holds something else"):
        run_study(SETTINGS, tmp_path, workers=1)
    assert "saved recommender" in (tmp_path / "config.json").read_text(encoding="utf-8")
    with pytest.raises(SettingError, match="is a file"):
        run_study(SETTINGS, tmp_path / "config.json", workers=1)


def test_a_study_may_grow_but_not_change(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainings, out = Trainings(monkeypatch), tmp_path / "copy"
    shutil.copytree(study.out, out)
    grown = replace(SETTINGS, seeds=3, methods=("plain", "random targets"))
    run_study(grown, out, workers=1)
    assert trainings.count == 2 * 2  # the new seed of two methods on two splits
    run_study(replace(grown, methods=("random targets",)), out, workers=1)
    assert "add 'plain' to --methods" in (out / "results.md").read_text()
    with pytest.raises(SettingError, match="epochs=20 instead of 3"):
        run_study(replace(SETTINGS, epochs=3), out, workers=1)
    other = replace(SETTINGS, data=str(saved_log(tmp_path / "other")))
    with pytest.raises(SettingError, match="another log"):
        run_study(other, out, workers=1)


def test_runs_of_several_devices_are_told(study: Study, tmp_path: Path) -> None:
    out = tmp_path / "copy"
    shutil.copytree(study.out, out)
    assert "where the same training seed" not in (out / "results.md").read_text()
    path = out / "split0/runs/gru4rec/plain/seed0/row.json"
    row = read_json(path)
    write_json(path, {**row, "config": {**row["config"], "device": "cuda"}})
    run_study(SETTINGS, out, workers=1)
    assert "trained on cpu and on cuda, where the same" in (out / "results.md").read_text()


def test_a_run_that_diverges_says_which_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverges(*_: Any, **__: Any) -> None:
        raise DivergedError("the loss is nan at step 3")

    monkeypatch.setattr(Recommender, "fit", diverges)
    settings = replace(SETTINGS, methods=("plain",), trials=0)
    with pytest.raises(DivergedError, match=r"gru4rec plain, split 0, seed 0: the loss is nan"):
        run_study(settings, tmp_path, workers=1)


@pytest.mark.parametrize(
    ("column", "one", "other"),
    [
        ("event", ["view", "buy"], ["buy", "view"]),
        ("rating", [1.0, 5.0], [5.0, 1.0]),
        ("weight", [2.0, 3.0], [3.0, 2.0]),
        ("liked", [1, 0], [0, 1]),
    ],
)
def test_a_log_of_other_feedback_is_another_log(
    column: str, one: list[object], other: list[object]
) -> None:
    items = Catalogue(pl.DataFrame({"item_id": ["a", "b"], "title": ["one", "two"]}))
    table = pl.DataFrame({"user_id": ["u", "u"], "item_id": ["a", "b"]})
    logs = [table.with_columns(pl.Series(column, told)) for told in (one, other, one)]
    contents = [log_fingerprint(InteractionLog.from_table(items, rows)) for rows in logs]
    assert contents[0] != contents[1]
    assert contents[0] == contents[2]


def saved_log(folder: Path) -> Path:
    """Another log, in the plain format."""
    folder.mkdir()
    users, items = [f"u{i % 20}" for i in range(100)], ["a", "b"] * 50
    table = pl.DataFrame({"user_id": users, "item_id": items, "time": range(100)})
    table.write_csv(folder / "interactions.csv")
    return folder


def test_users_metrics_add_up_to_the_rows(study: Study) -> None:
    for run in runs_of(SETTINGS):
        row = read_json(run.folder(study.out) / "row.json")
        users = pl.read_parquet(run.folder(study.out) / "users.parquet")
        assert users["steps"].sum() == row["test"]["steps"]
        for metric in ("HR@10", "NDCG@10"):
            mean = np.average(users[metric].to_numpy(), weights=users["steps"].to_numpy())
            assert mean == pytest.approx(row["test"][metric])


def test_the_report_says_what_was_found_and_on_what_it_rests(study: Study) -> None:
    report, ranking = study.report, study.report.table("Next-item ranking")
    names = [row[0] for row in ranking.rows]
    assert names == ["popularity", "item-kNN", "LE alone"] + [
        f"gru4rec {name}" for name in SETTINGS.methods
    ]
    for title in ("Next-item ranking", "Other cut-offs", "NDCG@10 above plain", "Costs"):
        table = report.table(title)
        # nothing is taken twice in the generated world, and costs are no ranking
        assert table.masked is (None if title == "Costs" else True)
        for said in ("steps of", "test users", "2 splits", "2 training seeds"):
            assert said in table.note
    assert {"HR@10, unmasked", "NDCG@10, unmasked"} <= set(ranking.columns)
    mean = {row[0]: row[ranking.columns.index("NDCG@10")] for row in ranking.rows}
    above = report.table("NDCG@10 above plain").rows
    for name, difference, *_ in above:
        assert difference.mean == pytest.approx(mean[name] - mean["gru4rec plain"], abs=1e-9)
    forests = [e for s in report.sections for e in s.elements if isinstance(e, Forest)]
    assert set(forests[0].rows) == {f"gru4rec {name}" for name in SETTINGS.methods[1:]}
    page = (study.out / "report.html").read_text(encoding="utf-8")
    assert forests[0].title in page
    pictures = [path.name for path in (study.out / "figures").glob("*.png")]
    assert any("above-plain" in name for name in pictures)
    assert any("learning-curves" in name for name in pictures)
    markdown = (study.out / "results.md").read_text(encoding="utf-8")
    assert "| gru4rec soft targets |" in markdown


def test_costs_are_told_apart(study: Study) -> None:
    costs = {row[0]: row[1:] for row in study.report.table("Costs").rows}
    _, labels, learning, *serving = costs["gru4rec soft targets"]
    assert min(labels, learning, *serving) > 0
    assert costs["gru4rec plain"][2] == 0
    assert costs["gru4rec item-kNN targets"][1] > costs["gru4rec random targets"][1]
    assert costs["item-kNN"][0] > costs["popularity"][0]
    made = study.report.table("Making the simulated users")
    assert [row[0] for row in made.rows] == ["LE, split 0", "LE, split 1"]
