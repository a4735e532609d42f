"""``llmrec shop``: every command as a person uses it, made short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from llmrec_env.cli import app

pytest.importorskip("bm25s")
SHOP = ("--catalogue", "150", "--goals-per-product", "2")
runner = CliRunner()


def test_train_then_evaluate_in_the_shop_of_the_training(tmp_path: Path) -> None:
    out = tmp_path / "run"
    options = (
        "shop",
        "train",
        "--out",
        str(out),
        "--stages",
        "behavior_cloning",
        "--rollouts",
        "10",
    )
    trained = runner.invoke(app, [*options, *SHOP])
    assert trained.exit_code == 0, trained.output
    assert str(out / "behavior_cloning") in trained.output
    judged = runner.invoke(
        app, ["shop", "evaluate", "--policy", str(out / "behavior_cloning"), "--goals", "12"]
    )
    assert judged.exit_code == 0, judged.output
    rows = re.findall(r"(greedy|sampled)\D+([\d.]+) \[", judged.output)
    assert [way for way, _ in rows] == ["greedy", "sampled"]
    assert "test goals: 12" in judged.output


def test_the_oracle_and_the_rules_are_judged_without_training() -> None:
    success = {}
    for agent in ("first-hit", "oracle"):
        result = runner.invoke(app, ["shop", "evaluate", "--agent", agent, *SHOP])
        assert result.exit_code == 0, result.output
        success[agent] = float(re.search(r"([\d.]+) \[", result.output)[1])  # type: ignore[index]
    assert success["first-hit"] < success["oracle"] == 100.0


def test_a_person_can_buy() -> None:
    """The first search, the first product, buy."""
    first = runner.invoke(app, ["shop", "play", "--goal", "0", *SHOP], input="1\nq\n")
    asin = re.search(r"\b(G[0-9A-Z]{4,9})\b", first.output)[1]  # type: ignore[index]
    played = runner.invoke(
        app, ["shop", "play", "--goal", "0", *SHOP], input=f"1\nclick[{asin}]\nbuy now\n"
    )
    assert played.exit_code == 0, played.output
    assert "attributes" in played.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("evaluate", "--agent", "parrot"), "parrot"),
        (("evaluate", "--policy", "nowhere"), "no finished stage"),
        (("evaluate", "--policy", "x", "--catalogue", "9"), "leave out --catalogue"),
        (("train", "--out", "x", "--stages", "magic"), "joined by commas"),
        (("train", "--out", "x", "--catalogue", "nowhere"), "nowhere"),
    ],
)
def test_mistakes_are_one_clear_line(
    arguments: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = runner.invoke(app, ["shop", *arguments])
    assert result.exit_code == 1
    assert said in result.output
    assert "Traceback" not in result.output
