"""Curves, cold items and the map on a tiny world: killed, continued, grown, and what they leave."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest
from counted_trainings import Killed, Trainings
from typer.testing import CliRunner

from llmrec_env.cli import app
from llmrec_env.common.errors import SettingError
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.experiments.sensitivity import PARTS, SensitivitySettings, run_sensitivity
from llmrec_env.experiments.sensitivity.projection import (
    kinds_of_items,
    neighbour_plane,
    neighbours_alike,
    principal_plane,
)
from llmrec_env.experiments.sensitivity.settings import parse_values
from llmrec_env.experiments.study import StudySettings, run_study
from llmrec_env.reporting import Bars, Curves, Report, Scatter, Text, plots
from llmrec_env.reporting.elements import Figure

pytest.importorskip("scipy")
pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")
pytestmark = pytest.mark.slow

SETTINGS = SensitivitySettings(
    backbone="gru4rec",
    values={"weight": (0.5, 2), "k": (5, 20), "share": (0, 0.5, 1), "balance": (0.1, 1)},
    seeds=2,
    projection="pca",
    budget=0.02,
    world_size=(60, 60),
)
TRAININGS = 2 * (len(("plain", "soft targets", "SNQN", "LEASR")) + 3 + 2)
"""Two seeds of four methods as they are, of three moved soft targets and of two moved q_weights."""


class Done(NamedTuple):
    """A finished run, and how many trainings it took in all."""

    report: Report
    out: Path
    trainings: int

    @property
    def figures(self) -> dict[str, Figure]:
        """Its pictures by title."""
        elements = [e for section in self.report.sections for e in section.elements]
        return {e.title: e for e in elements if isinstance(e, Figure)}

    @property
    def points(self) -> pl.DataFrame:
        """The table of all points."""
        return pl.read_parquet(self.out / "points.parquet")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Done]:
    """A run that was killed in the middle and finished."""
    out = tmp_path_factory.mktemp("sensitivity")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLMREC_CACHE", str(out / "cache"))
        # The PNGs are drawn; the page's own two forms of each picture would take twice as long.
        patch.setattr(plots, "svg_address", lambda *_: "data:,")
        trainings = Trainings(patch)
        trainings.killed_at = TRAININGS // 2
        with pytest.raises(Killed):
            run_sensitivity(SETTINGS, out / "run", workers=1)
        trainings.killed_at = 10**6
        report = run_sensitivity(SETTINGS, out / "run", workers=1)
        yield Done(report, out / "run", trainings.count)


def without_page(settings: SensitivitySettings, out: Path, patch: pytest.MonkeyPatch) -> Report:
    """A run that spares the seconds of drawing."""
    patch.setitem(sys.modules, "jinja2", None)
    with pytest.warns(UserWarning, match="no page was made"):
        return run_sensitivity(settings, out, workers=1)


def again(done: Done, patch: pytest.MonkeyPatch, **changes: Any) -> tuple[Report, int]:
    """Another run in the folder, and how many trainings it took."""
    trainings = Trainings(patch)
    report = without_page(replace(SETTINGS, **changes), done.out, patch)
    return report, trainings.count


def test_what_serves_several_pictures_is_trained_once(done: Done) -> None:
    assert done.trainings == TRAININGS


def test_every_part_has_its_pictures_and_rows(done: Done) -> None:
    assert set(done.points["part"]) == set(PARTS)
    assert pl.read_csv(done.out / "points.csv").height == done.points.height
    pictures = {path.stem.partition("-")[2] for path in (done.out / "figures").glob("*.png")}
    assert len(pictures) == len(done.figures)
    for title in ("Weight of the augmentation", "Proposed actions", "Share of augmented data"):
        assert any(name.startswith(title) for name in done.figures)
    page, markdown = ((done.out / name).read_text() for name in ("report.html", "results.md"))
    assert all(title in page and title in markdown for title in done.figures)
    assert "](figures/" in markdown
    assert done.report.table("HR@10 by how often the item was seen").masked is True


def test_lines_are_the_means_of_the_points(done: Done) -> None:
    for sweep in SETTINGS.sweeps:
        figure = done.figures[sweep.title]
        assert isinstance(figure, Curves)
        own = done.points.filter(
            (pl.col("part") == sweep.part) & (pl.col("method") == sweep.method)
        )
        table = done.report.table(sweep.title)
        assert [row[0] for row in table.rows] == ["plain", *(f"{v:g}" for v in sweep.values)]
        for curve in figure.series:
            found = own.group_by("value").agg(pl.col(f"{curve.name} NDCG@10").mean()).sort("value")
            assert list(curve.x) == found["value"].to_list() == list(sweep.values)
            assert list(curve.y) == pytest.approx(found[f"{curve.name} NDCG@10"].to_list())
            plain = table.rows[0][table.columns.index(f"NDCG@10, {curve.name}")]
            assert curve.levels == {f"plain, {curve.name}": plain.mean}


def test_without_a_share_it_is_the_plain_backbone(done: Done) -> None:
    table = done.report.table("Share of augmented data, soft targets")
    plain, nothing, *_, whole = table.rows
    assert nothing[1:] == plain[1:]
    usual = done.report.table("Weight of the augmentation, soft targets").rows[1]
    assert whole[1:] == usual[1:]
    assert whole[1:] != plain[1:]


def test_bins_add_up_to_all_steps(done: Done) -> None:
    cold = done.points.filter(pl.col("part") == "cold")
    assert set(cold["method"]) == {"plain", "soft targets", "LE alone", "item-kNN"}
    share = done.points.filter((pl.col("part") == "share") & (pl.col("value") == 0)).sort("seed")
    plain = cold.filter(pl.col("method") == "plain")
    for seed in range(2):
        own = plain.filter(pl.col("seed") == seed)
        mean = np.average(own["test NDCG@10"].to_numpy(), weights=own["steps"].to_numpy())
        assert mean == pytest.approx(share["test NDCG@10"][seed])
    bars = done.figures["NDCG@10 by how often the item was seen in training"]
    assert isinstance(bars, Bars)
    steps = sum(int(group.split("\n")[1].replace(",", "")) for group in bars.groups)
    assert steps == plain.filter(pl.col("seed") == 0)["steps"].sum()


def test_the_map_holds_each_test_user_once_for_each_encoder(done: Done) -> None:
    scatter = done.figures["States of test users"]
    assert isinstance(scatter, Scatter)
    assert len(scatter.panels) == 2
    for panel, clouds in scatter.panels.items():
        rows = done.points.filter((pl.col("part") == "map") & (pl.col("method") == panel))
        assert rows["user_id"].n_unique() == rows.height
        assert sum(len(cloud.x) for cloud in clouds.values()) == rows.height > 0


def test_a_finished_run_trains_nothing_again(done: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (done.out / "results.json").read_bytes()
    report, count = again(done, monkeypatch)
    assert count == 0
    assert report.sections == done.report.sections
    assert (done.out / "results.json").read_bytes() == before


def test_more_may_be_asked_and_a_diverging_value_is_told(
    done: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"weight": (0.5, 2, 1e38)}
    report, count = again(done, monkeypatch, parts=("weight",), values=values)
    assert count == 2
    table = report.table("Weight of the augmentation, soft targets")
    assert "2 trainings diverged" in table.note
    assert table.rows[-1][1].mean is None
    assert again(done, monkeypatch, parts=("weight",), values=values)[1] == 0
    with pytest.raises(SettingError, match="epochs=20 instead of 3"):
        run_sensitivity(replace(SETTINGS, epochs=3), done.out)
    with pytest.raises(SettingError, match="`llmrec bench sensitivity`, whose results"):
        run_study(StudySettings(world_size=(60, 60)), done.out)


def test_a_catalogue_without_kinds_is_told_of_in_one_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMREC_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    taken = [(u, i) for u in range(30) for i in rng.integers(12, size=5)]
    rows = [(f"u{user}", f"i{item}", time) for time, (user, item) in enumerate(taken)]
    data = tmp_path / "data"
    data.mkdir()
    pl.DataFrame(rows, schema=["user_id", "item_id", "time"], orient="row").write_csv(
        data / "interactions.csv"
    )
    items = {"item_id": [f"i{i}" for i in range(12)], "title": [f"thing {i}" for i in range(12)]}
    pl.DataFrame(items).write_csv(data / "items.csv")
    settings = replace(SETTINGS, data=str(data), parts=("map",), values={}, seeds=1)
    report = run_sensitivity(settings, tmp_path / "out", workers=1)
    (note,) = report.sections[-1].elements
    assert isinstance(note, Text)
    assert "neither a category column nor another text column" in note.text


def test_kinds_are_the_category_or_the_first_column_with_few_values() -> None:
    columns = {
        "item_id": [f"i{i}" for i in range(40)],
        "title": [f"t{i}" for i in range(40)],
        "brand": [f"b{i % 2}" for i in range(40)],
        "maker": [f"m{i % 8}" for i in range(40)],
    }
    assert kinds_of_items(Catalogue(pl.DataFrame(columns))) == ("brand", columns["brand"])
    few = {name: columns[name] for name in ("item_id", "title", "maker")}
    assert kinds_of_items(Catalogue(pl.DataFrame(few))) is None
    told = {**columns, "category": [f"c{i % 20}" for i in range(40)]}
    assert kinds_of_items(Catalogue(pl.DataFrame(told))) == ("category", told["category"])
    paths = {**columns, "category": ["tools, saws, hand saws", "tools, bits", "tools", ""] * 10}
    assert kinds_of_items(Catalogue(pl.DataFrame(paths))) == (
        "category",
        ["saws", "bits", "", ""] * 10,
    )
    one = {**columns, "category": ["c"] * 40}
    assert kinds_of_items(Catalogue(pl.DataFrame(one))) == ("brand", columns["brand"])


def test_the_plane_holds_the_most_variance_and_neighbours_are_counted() -> None:
    rng = np.random.default_rng(0)
    states = (rng.normal(size=(60, 5)) * [9, 5, 1, 1, 1]).astype(np.float32)
    plane, share = principal_plane(states)
    values = np.linalg.eigvalsh(np.cov(states.T))
    assert plane.var(axis=0, ddof=1) == pytest.approx(values[::-1][:2], rel=1e-4)
    assert share == pytest.approx(values[-2:].sum() / values.sum(), rel=1e-4)
    kinds = ["a"] * 20 + ["b"] * 20 + [""] * 20
    apart = np.eye(3, dtype=np.float32)[np.repeat(range(3), 20)]
    assert neighbours_alike(apart, kinds) == pytest.approx((1.0, 19 / 39))


def test_neighbours_stay_together_in_the_plane_of_t_sne() -> None:
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(0)
    groups = np.repeat(range(3), 30)
    states = (np.eye(8)[groups] + rng.normal(0, 0.1, (90, 8))).astype(np.float32)
    plane = neighbour_plane(states, seed=3)
    assert np.array_equal(plane, neighbour_plane(states, seed=3))
    apart = np.linalg.norm(plane[:, None] - plane[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert (groups[apart.argmin(axis=1)] == groups).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--parts", "weight,wait"), "no part is named 'wait'; there are weight, k, share"),
        (("--parts", ","), "parts is empty"),
        (("--values", "cold=1"), "no part is named 'cold'; there are weight, k, share, balance"),
        (("--values", "weight=much"), "values must look like weight=0.1,0.5,2"),
        (("--values", "share=2"), "augment_share must lie in [0, 1], got 2"),
        (("--values", "k=1.5"), "augment_k takes whole numbers, got 1.5"),
        (("--backbone", "bert"), "no backbone is named 'bert'"),
        (("--projection", "globe"), "projection must be one of auto, pca, tsne"),
    ],
)
def test_what_does_not_exist_is_one_clear_line(
    options: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    command = ["bench", "sensitivity", *options, "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


def test_the_command_makes_the_same_study() -> None:
    values = parse_values(["k=1,5"])
    settings = SensitivitySettings("a log", values=values, parts=("k", "map"), le_epochs=30)
    assert settings.command == (
        "llmrec bench sensitivity --data 'a log' --backbone sasrec --parts k,map --values k=1,5 "
        "--le-epochs 30"
    )
    assert settings.study.le_epochs == 30
