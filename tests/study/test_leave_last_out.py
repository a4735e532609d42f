"""Leave-last-out beside published figures: the program, and the page with its rows."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
import pytest

from llmrec_env.common.errors import SimulatorError
from llmrec_env.common.files import read_json
from llmrec_env.data.loading import load
from llmrec_env.data.source import open_source
from llmrec_env.data.splits import split_last_out
from llmrec_env.evaluation.ranking import Popularity, evaluate_ranking
from llmrec_env.language.fitting import FitConfig, fit_language_environment
from llmrec_env.language.learning import LearningConfig

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
WORDS = ("--rows", "popularity", "gru4rec-tied", "--seeds", "2")


@pytest.fixture(scope="module")
def program() -> dict[str, Any]:
    """The names of the program that measures."""
    return runpy.run_path(str(ROOT / "benchmarks" / "leave_last_out.py"), run_name="benchmark")


@pytest.fixture(scope="module")
def tables() -> dict[str, Any]:
    """The names of the program that writes the tables."""
    return runpy.run_path(str(DOCS / "make_tables.py"), run_name="make_tables")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of 30 users who go round 12 items."""
    rng = np.random.default_rng(0)
    begins, lengths = rng.integers(12, size=30), rng.integers(3, 9, size=30)
    rows = [
        (f"u{user}", f"i{(begins[user] + step) % 12}", step)
        for user in range(30)
        for step in range(lengths[user])
    ]
    folder = tmp_path_factory.mktemp("log")
    table = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    table.write_csv(folder / "interactions.csv")
    items = {
        "item_id": [f"i{n}" for n in range(12)],
        "title": [f"Part {n} of 12" for n in range(12)],
    }
    pl.DataFrame(items).write_csv(folder / "items.csv")
    return folder


@pytest.fixture(scope="module")
def out(program: dict[str, Any], data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    program["main"](["--data", str(data), "--out", str(folder), *WORDS])
    return folder


def test_the_last_items_are_ranked_with_what_validation_chose(
    program: dict[str, Any], data: Path, out: Path
) -> None:
    popular, tied = read_json(out / "rows.json")["rows"]
    split = split_last_out(load(data))
    expected = evaluate_ranking(Popularity(split.train), split.test, (10,), mask_seen=True)
    assert popular["metrics"]["NDCG@10"]["mean"] == pytest.approx(expected["NDCG@10"])
    assert popular["metrics"]["Recall@10"]["mean"] == pytest.approx(expected["HR@10"])
    trainings = [read_json(path) for path in out.glob("gru4rec-tied/*/found.json")]
    tried = program["ROWS"]["gru4rec-tied"].tried
    assert len(trainings) == len(tried) + 1, "the first seed chooses, the second has the chosen"
    best = max(trainings, key=lambda one: one["validation"])
    assert [one["settings"] for one in tied["tried"]] == list(tried)
    assert f"**{program['_told'](tied['settings'])}**" in program["choices"](
        read_json(out / "rows.json")
    )
    assert best["validation"] >= tied["validation"]
    assert tied["metrics"]["NDCG@10"]["mean"] == pytest.approx(np.mean(tied["seeds"]["NDCG@10"]))


def test_what_is_finished_is_not_done_again(
    program: dict[str, Any], data: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = read_json(out / "rows.json")
    program["main"](["--data", str(data), "--out", str(out), "--rows", "popularity"])
    assert "seed" not in capsys.readouterr().out.split("|")[0], "nothing is trained"
    after = read_json(out / "rows.json")
    assert after["rows"] == before["rows"], "rows of an earlier command stay"
    assert not list(out.rglob("*.learning")), "checkpoints are of use no more"


@pytest.mark.parametrize("split", ["last", "user"])
def test_rows_of_a_simulated_user_who_knows_no_last_item(
    split: Literal["last", "user"], program: dict[str, Any], data: Path, tmp_path: Path
) -> None:
    le, out = tmp_path / "le", tmp_path / "out"
    parts = open_source(data, 0, split=split).split
    learning = LearningConfig(epochs=1, min_steps=2)
    config = FitConfig(learning=learning, language_model=False)
    fit_language_environment(parts.train, parts.validation, config=config).save_pretrained(le)
    words = ["--data", str(data), "--out", str(out), "--rows", "le", "sasrec-tied-le"]
    words += ["--seeds", "1", "--simulator", str(le)]
    if split == "user":
        with pytest.raises(SimulatorError, match="--split"):
            program["main"](words)
        return
    program["main"](words)
    alone, taught = read_json(out / "rows.json")["rows"]
    assert 0 < alone["metrics"]["NDCG@10"]["mean"] <= 1
    assert taught["seconds"]["learning"] > 0


def test_rows_of_a_simulated_user_need_one(
    program: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        program["main"](["--data", "x", "--rows", "le"])
    assert "need --simulator" in capsys.readouterr().err


def test_quoted_figures_stand_among_the_rows(program: dict[str, Any], out: Path) -> None:
    found = read_json(out / "rows.json")
    quoted = {"source": "a paper", "rows": [{"label": "theirs", "NDCG@10": 0.99, "Recall@10": 1.0}]}
    lines = program["table"](found, quoted).splitlines()
    assert lines[2].startswith("| *theirs* | .9900 | 1.0000 |")
    assert len(lines) == 2 + 1 + len(found["rows"])


def test_the_page_shows_the_rows_that_were_kept(tables: dict[str, Any]) -> None:
    page = tables["LAST_OUT_PAGE"].read_text(encoding="utf-8")
    assert tables["last_out_filled"](page) == page, "run `python docs/make_tables.py`"
    kept = [path for path in tables["LAST_OUT_ROWS"].glob("*.json") if path.suffixes == [".json"]]
    shown = {name for _, name, _ in tables["BLOCK"].findall(page)}
    assert shown == {path.stem for path in kept}
    for path in tables["LAST_OUT_ROWS"].glob("*.published.json"):
        assert json.loads(path.read_text(encoding="utf-8"))["source"] in page
