"""Instructions in a model's own words: what is kept, the file, and its door."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
from chat_server import ChatServer, Script

import llmrec_env
from agents.shop.evaluation import evaluate_shopper
from agents.shop.rewriting import rewrite_instructions
from agents.shop.scripted import Oracle, ScriptedBrowser
from agents.shop.shop_pool import shop_of
from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.envs.shop.catalogue import departments as grammar
from llmrec_env.envs.shop.catalogue.products import ProductCatalogue
from llmrec_env.envs.shop.goals.rewritten import load_rewritten
from llmrec_env.envs.shop.shop import Shop
from llmrec_env.envs.shop.words import spaced

pytest.importorskip("bm25s")
gym.register_envs(llmrec_env)
TABLES = [values for _, values in grammar.OPTIONS.values()]
TABLES += [department.attributes for department in grammar.DEPARTMENTS]
SAID = {value: others[0] for table in TABLES for value, others in table.items()}
"""What our writer says for each value."""


def settings(catalogue: ProductCatalogue) -> dict[str, Any]:
    return {"catalogue": catalogue, "split": "test", "goals_per_product": 1}


def writer(prompt: str) -> str:
    """Says each value in other words, and answers what the text alone tells."""
    if prompt.startswith("Rewrite"):
        plain = prompt.split("What is wanted: ")[1].split("\n")[0]
        text = plain
        for value in sorted(SAID, key=len, reverse=True):
            text = re.sub(rf"(?<![\w-]){re.escape(value)}(?![\w-])", SAID[value], text)
        return re.sub(r"\w+( name)?: ", "", text)
    text = spaced(prompt.split("wrote: ")[1].split("\n")[0])
    choices = prompt.split("it stands: ")[1].split(" | ")
    return next((c for c in choices if spaced(SAID[c]) in text), "I cannot tell")


@pytest.fixture
def file(small_catalogue: ProductCatalogue, tmp_path: Path) -> Path:
    """Rewritten test goals, nearly all of the first twelve: our writer has slips, as all do."""
    path = tmp_path / "rewritten.json"
    goals = Shop.of(settings(small_catalogue)).goals[:12]
    report = rewrite_instructions(goals, small_catalogue, writer, path, about={"model": "ours"})
    assert 9 <= report.kept <= 12, report
    assert report.kept + sum(report.dropped.values()) == 12
    return path


def test_a_file_of_rewritten_instructions_is_a_door(
    file: Path, small_catalogue: ProductCatalogue
) -> None:
    own = {**settings(small_catalogue), "instructions": str(file)}
    plain = {goal.instruction for goal in shop_of(settings(small_catalogue)).goals}
    env = gym.make("LLMRec/Shop-v0", **own)
    assert len(env.unwrapped.goals) == len(load_rewritten(file).rows)
    _, info = env.reset(seed=0)
    assert info["instruction"] not in plain
    shop = shop_of(own)
    assert evaluate_shopper(Oracle(shop), own).success.mean > 90.0
    # what names no value cannot be copied
    assert evaluate_shopper(ScriptedBrowser(), own).success.mean < 20.0


def test_what_is_there_is_not_asked_for_again(
    file: Path, small_catalogue: ProductCatalogue
) -> None:
    known = {row.plain for row in load_rewritten(file).rows}
    goals = [g for g in Shop.of(settings(small_catalogue)).goals if g.instruction in known]
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return writer(prompt)

    report = rewrite_instructions(goals, small_catalogue, ask, file)
    assert report.kept == report.known == len(known)
    assert not asked


def test_the_example_writes_a_file_and_says_what_copying_solves(
    serve: Callable[[Script], ChatServer], run_example: Callable[..., str]
) -> None:
    pytest.importorskip("openai")
    server = serve(lambda messages: (200, writer(messages[-1]["content"])))
    said = run_example(
        server, "shop_rewrite.py", "--catalogue", "60", "--goals", "4", "--out", "r.json"
    )
    kept = int(re.search(r"(\d) rewritten", said)[1])  # type: ignore[index]
    assert kept >= 3
    assert len(load_rewritten("r.json").rows) == kept
    assert "ScriptedBrowser success 0.0" in said


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda prompt: "", "empty or too long"),
        (lambda prompt: prompt.split("wanted: ")[-1], "copies a value word for word"),
        (lambda prompt: "I want something nice.", "cannot be told from it"),
        (lambda prompt: re.sub(r"\d", "9", writer(prompt)), "name each limit"),
    ],
)
def test_a_text_that_does_not_tell_all_is_dropped_and_counted(
    answer: Any, why: str, small_catalogue: ProductCatalogue, tmp_path: Path
) -> None:
    path = tmp_path / "none.json"
    goals = [
        goal
        for goal in Shop.of(settings(small_catalogue)).goals
        if "dollars" in goal.instruction
        and goal.price_upper not in (9.0, 99.0)
        and not any("1" <= letter <= "9" for value in goal.options for letter in value)
    ][:2]

    def judge(prompt: str) -> str:
        return writer(prompt)

    report = rewrite_instructions(goals, small_catalogue, answer, path, judge=judge, tries=2)
    assert report.kept == 0
    assert any(why in reason for reason in report.dropped), report
    assert not path.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"of": "human"}, "no rewritten instructions"),
        ({"rows": []}, "no rewritten instructions"),
        ({"rows": [3]}, "row 0: expected an object"),
        ({"rows": [{"plain": "a", "text": " ", "told": []}]}, "row 0: 'text' must be a text"),
        ({"rows": [{"plain": "a", "text": "b", "told": "c"}]}, "row 0: 'told' must be a list"),
        ({"rows": [{"plain": "a", "text": "b", "told": []}] * 2}, "row 1: .* above as well"),
    ],
)
def test_a_file_that_is_none_is_named(
    change: dict[str, Any], message: str, file: Path, small_catalogue: ProductCatalogue
) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(DataError, match=message):
        Shop(small_catalogue, file)


def test_the_door_checks_that_all_was_told(file: Path, small_catalogue: ProductCatalogue) -> None:
    saved = json.loads(file.read_text())
    saved["rows"][3]["told"] = []
    file.write_text(json.dumps(saved))
    with pytest.raises(DataError, match="nobody has told"):
        Shop(small_catalogue, file, split="test", goals_per_product=1)


def test_a_file_of_other_goals_is_refused(file: Path, small_catalogue: ProductCatalogue) -> None:
    with pytest.raises(SettingError, match=r"none of the \d+ rewritten ones"):
        Shop(small_catalogue, file, split="test", goals_per_product=1, goal_seed=5)
    with pytest.raises(SettingError, match="has synthetic instructions"):
        rewrite_instructions([], small_catalogue, writer, file, of="paraphrased")
    assert load_rewritten(file) == load_rewritten(file)
    with pytest.raises(DataError, match="cannot be read"):
        Shop(small_catalogue, file.with_name("absent.json"))
