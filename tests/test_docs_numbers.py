"""The numbers of README, results and pictures are those of the files that programs wrote."""

from __future__ import annotations

import json
import runpy
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from agents.shop.rollouts import collect_rollouts
from agents.shop.scripted import FirstHit, ScriptedBrowser
from llmrec_env.envs.shop.protocol.protocol import load_protocol, named_protocols
from llmrec_env.evaluation.fidelity import of_reward
from llmrec_env.evaluation.judge_quality import choice_regret, kendall_tau

images = pytest.importorskip("PIL.Image")
ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
RESULTS = DOCS / "results"
DRAWING: dict[str, Any] = runpy.run_path(str(DOCS / "make_pictures.py"), run_name="make_pictures")
BACKBONES = {"SASRec": "sasrec", "GRU4Rec": "gru4rec"}
Row = list[str]

README_ROWS = {
    "SASRec, plain": ("sasrec", "plain"),
    "SASRec with SNQN": ("sasrec", "SNQN"),
    "SASRec with the targets of a tuned item-kNN": ("sasrec", "item-kNN targets"),
    "SASRec with the targets of a text reader without language model and ids": (
        "sasrec",
        "text without LM targets",
    ),
    "SASRec with the targets of the LE without its language model": (
        "sasrec",
        "LE without LM targets",
    ),
    "SASRec with the targets of the LE": ("sasrec", "soft targets"),
    "SASRec with LEASR": ("sasrec", "LEASR"),
    "item-kNN itself, tuned": (None, "item-kNN"),
    "the LE itself": (None, "LE alone"),
    "plain SASRec mixed with item-kNN": ("sasrec", "plain and item-kNN in service"),
    "plain SASRec mixed with the LE": ("sasrec", "plain and LE in service"),
}
"""What the README calls a row, up to a colon, and what the study calls it."""

STUDIES = (
    "amazon_hosts",
    "amazon_industrial",
    "amazon_each",
    "amazon_variants",
    "amazon_switches",
    "lastfm_hetrec2011",
    "lastfm_patient",
    "ml_100k",
    "ml_100k_patient",
)
"""The studies in the order of their tables of methods on the page of recommenders."""
DEMOS = {
    "generated world": "world",
    "Amazon Industrial": "amazon_industrial",
    "MovieLens 100K": "ml_100k",
}
MADE_AGAIN = [name for name in DEMOS.values() if (RESULTS / "demo" / f"{name}.json").is_file()]


def tables(page: Path) -> list[list[Row]]:
    """The tables of a page: rows of cells, the header first, without the rule below it."""
    found: list[list[Row]] = [[]]
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("|"):
            found[-1].append([cell.strip(" *") for cell in line.strip().strip("|").split("|")])
        elif found[-1]:
            found.append([])
    return [[rows[0], *rows[2:]] for rows in found if rows]


def table_with(page: Path, *columns: str) -> list[dict[str, str]]:
    """The rows of the first table whose header has these columns; empty cells repeat the first."""
    rows = next(table for table in tables(page) if set(columns) <= set(table[0]))
    named = [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
    for above, row in pairwise(named):
        row[rows[0][0]] = row[rows[0][0]] or above[rows[0][0]]
    return named


def study(name: str) -> dict[tuple[str | None, str], dict[str, float]]:
    """Means by backbone and method of a study's runs: over seeds, then over splits."""
    runs = pl.read_csv(RESULTS / name / "runs.csv", infer_schema_length=None)
    metrics = [pl.col("test HR@10", "test NDCG@10", "validation NDCG@10").mean()]
    by_split = runs.group_by("backbone", "method", "split").agg(metrics)
    rows = by_split.group_by("backbone", "method").agg(metrics).to_dicts()
    return {(row["backbone"], row["method"]): row for row in rows}


def shown(value: float | dict[str, Any], digits: int = 4) -> str:
    """A share as the pages write it, without its interval: ``.0903``."""
    value = value["mean"] if isinstance(value, dict) else value
    return f"{value:.{digits}f}".removeprefix("0")


def test_the_readme_table_is_the_study() -> None:
    runs = study("amazon_hosts")
    column = "who ranks (Amazon Industrial, test)"
    rows = table_with(ROOT / "README.md", column)
    assert len(rows) == len(README_ROWS)
    plain = runs["sasrec", "plain"]["test NDCG@10"]
    for row in rows:
        ours = runs[README_ROWS[row[column].split(":")[0]]]
        gain = f" ({ours['test NDCG@10'] / plain - 1:+.1%})"
        expected = shown(ours["test NDCG@10"]) + (gain if ours["test NDCG@10"] != plain else "")
        assert row["NDCG@10, beside plain"] == expected, row
        assert row["HR@10"] == shown(ours["test HR@10"]), row


def test_the_tables_of_recommenders_are_the_studies() -> None:
    found = [t for t in tables(RESULTS / "recommenders.md") if t[0][0].startswith("method")]
    assert len(found) == len(STUDIES)
    for name, table in zip(STUDIES, found, strict=True):
        runs = study(name)
        for row in table[1:]:
            backbone = ""
            for header, cell in zip(table[0][1:], row[1:], strict=True):
                label = header.split(" ")[0]
                backbone = BACKBONES.get(label, backbone)
                metric = header.removeprefix(f"{label} ") if label in BACKBONES else header
                metric = "validation NDCG@10" if metric == "validation" else f"test {metric}"
                if metric in ("test HR@10", "test NDCG@10", "validation NDCG@10"):
                    assert cell == shown(runs[backbone, row[0]][metric]), (name, row)


def test_the_rows_that_serve_alone_are_the_studies() -> None:
    found = [t for t in tables(RESULTS / "recommenders.md") if t[0][0] == "alone"]
    names = ("amazon_hosts", "amazon_industrial", "amazon_variants", "lastfm_hetrec2011", "ml_100k")
    for name, table in zip(names, found, strict=True):
        runs = study(name)
        for ranker, *cells in table[1:]:
            row = runs[None, ranker]
            metrics = ("test HR@10", "test NDCG@10", "validation NDCG@10")
            assert cells == [shown(row[metric]) for metric in metrics], (name, ranker)


def test_the_offline_table_is_the_benchmark() -> None:
    runs = pl.read_csv(RESULTS / "offline" / "runs.csv")
    means = runs.group_by("algorithm", "dataset").agg(pl.col("return_truth", "NDCG@10").mean())
    values = {(row["algorithm"], row["dataset"]): row for row in means.to_dicts()}
    algorithms = {"BC": "bc", "DQN": "dqn", "Double DQN": "double_dqn", "CQL": "cql", "BCQ": "bcq"}
    datasets = ("logged", "reward", "state", "augment1", "augment4", "random", "knn")
    rows = table_with(RESULTS / "offline.md", "learned from", *algorithms)
    for row, dataset in zip(rows, datasets, strict=True):
        for label, algorithm in algorithms.items():
            value = values[algorithm, dataset]
            expected = f"{value['return_truth']:.1f} ({shown(value['NDCG@10'], 3)})"
            assert row[label] == expected, (dataset, label)


def demo_tables(name: str) -> dict[str, dict[str, dict[str, Any]]]:
    """The tables of a demo run: title, then what stands in the first columns, then the row."""
    report = json.loads((RESULTS / "demo" / f"{name}.json").read_text(encoding="utf-8"))
    found = {}
    for section in report["sections"]:
        for element in section["elements"]:
            if element["@"] == "Table":
                rows = [dict(zip(element["columns"], row, strict=True)) for row in element["rows"]]
                keys = [
                    " ".join(v for v in row.values() if v and isinstance(v, str)) for row in rows
                ]
                found[element["title"]] = dict(zip(keys, rows, strict=True))
    return found


def rows_of(page: str, data: str, *columns: str) -> list[dict[str, str]]:
    """The rows about one dataset in the table of a page that has these columns."""
    return [
        row for row in table_with(RESULTS / page, "data", *columns) if DEMOS[row["data"]] == data
    ]


@pytest.mark.parametrize("data", MADE_AGAIN)
def test_the_users_of_the_demo_are_as_the_page_says(data: str) -> None:
    made = demo_tables(data)["Held-out users"]
    for row in rows_of("fidelity.md", data, "who", "NDCG@10"):
        for column in ("accuracy, uniform", "accuracy, popular", "HR@10", "NDCG@10"):
            told = made[row["who"]]  # by the words of when it was made
            value = told.get(of_reward(column), told.get(column))
            assert row[of_reward(column)] == shown(value, 3), row


@pytest.mark.parametrize("data", MADE_AGAIN)
def test_the_policies_of_the_demo_are_as_the_page_says(data: str) -> None:
    made = demo_tables(data)["Return"]
    for row in rows_of("policies.md", data, "who answers"):
        users = {"LE": "LE", "true users": "truth"}[row["who answers"]]
        for policy in ("random", "popular", "PPO"):
            value = made[f"{policy} {users}"]["return"]
            said = f"{value['mean']:.1f} [{value['low']:.1f}, {value['high']:.1f}]"
            assert row[policy] == said, row


@pytest.mark.parametrize("data", MADE_AGAIN)
def test_the_recommenders_of_the_demo_are_as_the_page_says(data: str) -> None:
    made = demo_tables(data)["Next-item ranking"]
    for row in rows_of("recommenders.md", data, "LEASR", "LE alone"):
        for variant in ("plain", "SNQN", "LEASR"):
            value = made[f"{BACKBONES[row['backbone']]} {variant}"]["NDCG@10"]
            assert row[variant] == shown(value), row
        for control in ("item kNN", "LE alone"):
            assert row[control] in ("", shown(made[control]["NDCG@10"])), row


@pytest.mark.parametrize("data", MADE_AGAIN)
def test_the_offline_rows_of_the_demo_are_as_the_page_says(data: str) -> None:
    made = demo_tables(data)["d3rlpy, logged and augmented"]
    kinds = ("logged", "LE state + reward", "+ augmentation")
    table = next(t for t in tables(RESULTS / "offline.md") if t[0][:2] == ["data", "algorithm"])
    seen, name = 0, ""
    for row in table[1:]:
        name = DEMOS[row[0]] if row[0] else name
        if name != data:
            continue
        runs = [made[f"{row[1]}, {kind}"] for kind in kinds]
        expected = [shown(run["NDCG@10"], 3) for run in runs]
        for users in ("return, LE users", "return, truth users"):
            values = [run.get(users) for run in runs]
            expected += ["" if value is None else f"{value['mean']:.1f}" for value in values]
        assert row[2:] == expected, row
        seen += 1
    assert seen == 2


def test_the_report_picture_shows_the_numbers_of_the_run() -> None:
    picture = json.loads((DOCS / "pictures" / "report.json").read_text(encoding="utf-8"))
    run = json.loads((RESULTS / "demo" / "world.json").read_text(encoding="utf-8"))
    assert picture.items() >= DRAWING["numbers_of"](run).items()
    with images.open(DOCS / "pictures" / "report.png") as image:
        assert json.loads(image.info["numbers"]) == picture
    evidence = [finding["evidence"] for finding in picture["findings"]]
    column = of_reward("accuracy, popular")
    row = table_with(RESULTS / "fidelity.md", "who", column)[:2]
    ours, popular = (r[column] for r in row)
    assert any(f"accuracy 0{ours} against 0{popular}" in own for own in evidence)
    ranked = demo_tables("world")["Next-item ranking, masked"]
    for backbone in ("sasrec", "gru4rec"):
        found = {
            name: f"{ranked[f'{backbone} {name}']['NDCG@10']['mean']:.4f}"
            for name in ("plain", "SNQN", "LEASR")
        }
        said = next(e for e in evidence if f"NDCG@10 {found['LEASR']}" in e)
        assert f"plain {found['plain']}, SNQN {found['SNQN']}" in said


def test_the_picture_of_growth_shows_the_numbers_of_the_tables() -> None:
    picture = json.loads((DOCS / "pictures" / "scale.json").read_text(encoding="utf-8"))
    with images.open(DOCS / "pictures" / "scale.png") as image:
        assert json.loads(image.info["numbers"]) == picture
    for place, sweep in enumerate(("items", "interactions")):
        table = next(t for t in tables(RESULTS / "speed.md") if t[0][0] == sweep)
        rows = [row for row in picture["rows"] if row["sweep"] == sweep]
        for row, cells in zip(rows, table[1:-1], strict=True):  # the last has exponents
            size, *values = [float(cell.replace(",", "")) for cell in cells]
            columns = ("load", "label", "name", "step", "memory")
            assert size == row["size"][place]
            assert values == pytest.approx([row[column] for column in columns], rel=0.006), cells


@pytest.mark.parametrize("name", ["shop_pages", "seat"])
def test_the_pictures_of_pages_show_the_numbers_beside_them(name: str) -> None:
    picture = json.loads((DOCS / "pictures" / f"{name}.json").read_text(encoding="utf-8"))
    with images.open(DOCS / "pictures" / f"{name}.png") as image:
        assert json.loads(image.info["numbers"]) == picture


def test_the_rules_earn_in_the_shop_what_the_picture_of_its_pages_shows() -> None:
    pytest.importorskip("bm25s", reason="needs the extra shop")
    picture = json.loads((DOCS / "pictures" / "shop_pages.json").read_text(encoding="utf-8"))
    for name, agent in {"first hit": FirstHit(), "browser": ScriptedBrowser()}.items():
        (rollout,) = collect_rollouts(agent, {"split": "train"}, [picture[name]["goal"]])
        assert json.loads(json.dumps(asdict(rollout))) == picture[name]


def test_the_page_of_the_shop_s_protocol_has_what_its_program_printed() -> None:
    picture = json.loads((DOCS / "pictures" / "shop_draws.json").read_text(encoding="utf-8"))
    with images.open(DOCS / "pictures" / "shop_draws.png") as image:
        assert json.loads(image.info["numbers"]) == picture
    program = runpy.run_path(str(DOCS.parent / "benchmarks" / "shop_protocol.py"))
    rows, page = picture["rows"], (DOCS / "webshop_protocol.md").read_text(encoding="utf-8")
    of_rules = {name: own for name, own in rows["rules"].items() if name != "draws"}
    for table in (
        program["table_of_rules"](of_rules),
        program["table_of_draws"](rows["rules"]["draws"]),
        program["table_of_leaks"](rows["leaks"]),
        program["table_of_rules"](rows["words"]),
    ):
        assert table in page
    for name in named_protocols():
        protocol = load_protocol(name)
        assert f"`{protocol.hash[:12]}`" in page
        assert {protocol.stamp} & {*rows["rules"], *rows["words"]} or name == "generated"


def test_the_moving_picture_shows_the_episode_beside_it() -> None:
    episode = json.loads((DOCS / "pictures" / "episode.json").read_text(encoding="utf-8"))
    picture = (DOCS / "pictures" / "episode.svg").read_text(encoding="utf-8")
    assert picture == DRAWING["drawn"](episode)


@pytest.mark.slow
def test_the_episode_can_be_played_again() -> None:
    kept = json.loads((DOCS / "pictures" / "episode.json").read_text(encoding="utf-8"))
    again = DRAWING["play"]()
    assert again["user"] == kept["user"]
    for ours, theirs in zip(again["steps"], kept["steps"], strict=True):
        assert ours["reward"] == pytest.approx(theirs["reward"], abs=0.02)
        assert ours | {"reward": 0} == theirs | {"reward": 0}


def test_the_panel_of_policies_is_that_of_its_run() -> None:
    page = DOCS / "policy_ranking.md"
    runs = pl.read_csv(RESULTS / "policies_world" / "policies.csv")
    runs = runs.sort("truth return", descending=True)
    rows = table_with(page, "policy", "kind", "simulated", "true")
    assert [row["policy"] for row in rows] == runs["label"].to_list()
    for row, run in zip(rows, runs.to_dicts(), strict=True):
        for column, world in (("simulated", "LE"), ("true", "truth")):
            bounds = [run[f"{world} return{end}"] for end in ("", "_low", "_high")]
            assert row[column] == "{:.1f} [{:.1f}, {:.1f}]".format(*bounds)
    simulated, true = runs["LE return"].to_numpy(), runs["truth return"].to_numpy()
    half = (len(true) + 1) // 2
    found = {row[""]: row["found"] for row in table_with(page, "found", "goal")}
    expected = {
        "Kendall's τ, all 19 policies": shown(float(kendall_tau(simulated, true)), 2),
        "Kendall's τ, the 10 better ones": shown(
            float(kendall_tau(simulated[:half], true[:half])), 2
        ),
        "regret of choosing the LE's favourite": f"{float(choice_regret(simulated, true)):.1%}",
    }
    assert {name: found[name].split(" [")[0] for name in expected} == expected


def test_the_estimates_of_the_panel_are_those_of_their_run() -> None:
    columns = ("estimate", "τ, all", "τ, better half")
    ours = table_with(DOCS / "policy_ranking.md", *columns)
    names = ("estimate", "tau, all", "tau, better half")
    theirs = table_with(RESULTS / "policies_world" / "results.md", *names)
    assert len(ours) == 13
    assert [[row[name] for name in columns] for row in ours] == [
        [row[name] for name in names] for row in theirs
    ]


def test_the_tables_of_judges_are_those_of_their_panels() -> None:
    program = runpy.run_path(str(DOCS / "make_panel_tables.py"), run_name="make_panel_tables")
    page = (DOCS / "policy_ranking.md").read_text(encoding="utf-8")
    assert program["filled"](page) == page, "run `python docs/make_panel_tables.py`"
