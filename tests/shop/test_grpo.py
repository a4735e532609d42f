"""GRPO through TRL on tools and on texts, with a tiny model that nobody trained."""

from __future__ import annotations

import json
import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("trl")
pytest.importorskip("tantivy")
from chat_models import save_chat_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from agents.text_rollouts import Play, TextRollouts
from llmrec_env.common.errors import SettingError
from llmrec_env.envs.language_agents import (
    RecommendTools,
    ShopTools,
    TextLoop,
    goal_rows,
    user_rows,
)
from llmrec_env.envs.shop.shop import Shop

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "grpo_agents.py"
SMALL = ("--steps", "2", "--generations", "4", "--goals", "1", "--turns", "3", "--lora", "0")
SHOP = {"catalogue": 200, "split": "train"}
CHAT = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
Run = Callable[..., list[dict[str, float]]]


@pytest.fixture
def train(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Run:
    """Run the example; what each step printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")

    def run(model: Path, *options: str) -> list[dict[str, float]]:
        monkeypatch.setattr(sys, "argv", [EXAMPLE.name, "--model", str(model), *SMALL, *options])
        with torch.random.fork_rng():
            runpy.run_path(str(EXAMPLE), run_name="__main__")
        lines = [line for line in capsys.readouterr().out.split("\n") if line.startswith("step")]
        return [{k: float(v) for k, v in re.findall(r"(\w+) ([\d.]+)", line)} for line in lines]

    return run


def call(name: str, **arguments: Any) -> str:
    written = json.dumps({"name": name, "arguments": arguments})
    return f"<tool_call>\n{written}\n</tool_call>"


def changed(model: Path, folder: Path) -> bool:
    """Whether training changed the weights that it saved."""
    before, after = (AutoModelForCausalLM.from_pretrained(own) for own in (model, folder))
    pairs = zip(before.parameters(), after.parameters(), strict=True)
    return any(not torch.equal(old, new) for old, new in pairs)


def test_a_model_that_calls_tools_is_paid_for_what_it_buys(train: Run, tmp_path: Path) -> None:
    templates = pytest.importorskip("trl.chat_template_utils")
    goal = Shop.of(SHOP).goals[0]
    bought = call("search", query=goal.name) + call("open_product", product_id=goal.asin)
    answers = [bought + call("buy"), call("buy"), call("search", query="lamp")]
    texts = [str(goal_rows(1, **SHOP)), *(str(own.__doc__) for own in vars(ShopTools).values())]
    model = save_chat_model(tmp_path / "m", texts, answers, templates.qwen2_5_chat_template)
    steps = train(model, "--catalogue", "200", "--learning-rate", "0.01")
    assert [step["step"] for step in steps] == [1, 2]
    assert all(step["calls"] > 0 for step in steps)
    assert 0 < max(step["reward"] for step in steps) <= 1
    assert changed(model, tmp_path / "runs" / "grpo")


def test_a_recommender_that_calls_tools_is_paid_by_the_user(train: Run, tmp_path: Path) -> None:
    templates = pytest.importorskip("trl.chat_template_utils")
    answers = [call("search", query="fantasy"), call("recommend", item="i00312")]
    texts = [str(user_rows(1)), *(str(own.__doc__) for own in vars(RecommendTools).values())]
    model = save_chat_model(tmp_path / "m", texts, answers, templates.qwen2_5_chat_template)
    (step,) = train(
        model, "--task", "recommend", "--steps", "1", "--recommended", "1", "--generations", "2"
    )
    assert 0 < step["reward"] <= 1


def test_a_model_that_writes_texts_is_paid_for_what_it_buys(train: Run, tmp_path: Path) -> None:
    goal, (page, _) = Shop.of(SHOP).goals[0], TextLoop(**SHOP).reset(goal=0)
    answers = [f"<action>search[{goal.name}]</action>", f"<action>click[{goal.asin}]</action>"]
    answers.append("click[buy now]")
    model = save_chat_model(tmp_path / "m", [page, TextLoop(**SHOP).manual], answers, CHAT)
    more = ("--answers", "text", "--catalogue", "200", "--turns", "6", "--answer-tokens", "2")
    (step,) = train(model, *more, "--generations", "16", "--steps", "1")
    assert 0 < step["reward"] <= 1
    assert changed(model, tmp_path / "runs" / "grpo")


def test_a_model_that_is_not_there_is_one_line(train: Run, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"^--model: no chat model .* there is no such folder"):
        train(tmp_path / "nope")


def test_an_episode_in_tokens_is_the_chat_and_marks_what_the_model_wrote(tmp_path: Path) -> None:
    loop, answer = TextLoop(**SHOP), "<action>search[lamp]</action>"
    folder = save_chat_model(tmp_path, [loop.reset(goal=0)[0]], [answer], CHAT)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    (row,) = TextRollouts(lambda: loop).rows([{"goal": 0}])
    play = Play(loop, row["prompt"], tokenizer, room=10_000)
    end = tokenizer.eos_token_id
    said = tokenizer(answer)["input_ids"]
    play.step([*said, end])
    play.step(said)  # cut before it ended
    pages = [
        own.split("<|im_end|>")[0] for own in tokenizer.decode(play.completion).split("user\n")
    ]
    assert pages[0] == answer
    assert pages[1].startswith("Instruction: ")
    assert "click[back to search]" in pages[1]
    chat = [{"role": "user", "content": row["prompt"][0]["content"]}]
    for page in pages[1:]:
        chat += [{"role": "assistant", "content": answer}, {"role": "user", "content": page}]
    whole = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=False)
    assert play.prompt + play.completion == whole
    own = [token for token, mine in zip(play.completion, play.mask, strict=True) if mine]
    assert own == [*said, end, *said]
    short = Play(loop, row["prompt"], tokenizer, room=20)
    short.step(said)
    assert not short.goes_on
    assert short.completion == said
    with pytest.raises(SettingError, match=r"rows\(\)"):
        Play(loop, [{"role": "user", "content": "x"}], tokenizer, room=9)
