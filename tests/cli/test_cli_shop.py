"""``llmrec shop``: every command as a person uses it, made short."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from llmrec_env.cli import app
from llmrec_env.envs.shop.protocol.making import make_protocol
from llmrec_env.envs.shop.protocol.protocol import load_protocol, named_protocols

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


@pytest.fixture
def base_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A causal LM that has learned nothing."""
    from llmrec_env.language.lm.small_model import SmallModelConfig, small_base_model_of

    monkeypatch.setenv("LLMREC_CACHE", str(tmp_path / "cache"))
    sizes = {"hidden_size": 16, "layers": 2, "heads": 2, "kv_heads": 1, "intermediate_size": 16}
    small = SmallModelConfig(**sizes, vocabulary=400, max_steps=0)
    return str(small_base_model_of(["click[buy now]", "search[a red lamp]"], small))


def test_a_language_model_learns_in_two_stages_and_shops_in_two_ways(
    base_model: str, tmp_path: Path
) -> None:
    out = str(tmp_path / "run")
    command = ["shop", "train", "--out", out, "--stages", "sft,dpo", "--base-model", base_model]
    command += ["--rollouts", "2", "--validation-goals", "0", "--lora-layers", "1", *SHOP]
    command += ["--dtype", "bfloat16", "--gradient-checkpointing", "--epochs", "1"]
    command += ["--dpo-rounds", "1", "--dpo-episodes", "2", "--dpo-steps", "1"]
    trained = runner.invoke(app, command)
    assert trained.exit_code == 0, trained.output
    assert re.search(r"behavior_cloning: \d+ s, dpo: \d+ s, \d+\.\d GB", trained.output)
    policy = str(tmp_path / "run" / "behavior_cloning+dpo")
    for answers in ("choose", "write"):
        judged = runner.invoke(
            app, ["shop", "evaluate", "--policy", policy, "--goals", "1", "--answers", answers]
        )
        assert judged.exit_code == 0, judged.output
        assert re.search(r"greedy.*sampled", judged.output, re.DOTALL)


def test_what_takes_long_is_asked_for(base_model: str, tmp_path: Path) -> None:
    command = ["shop", "train", "--out", str(tmp_path / "run"), "--base-model", base_model, *SHOP]
    command += ["--rollouts", "2", "--epochs", "1000000", "--stages", "sft"]
    refused = runner.invoke(app, command)
    assert refused.exit_code == 1
    assert "continue with --yes" in refused.output


def test_a_protocol_holds_from_training_to_results(tmp_path: Path) -> None:
    made = runner.invoke(app, ["shop", "protocol", "--out", str(tmp_path / "small.json"), *SHOP])
    assert made.exit_code == 0, made.output
    protocol = load_protocol(tmp_path / "small.json")
    assert protocol.name == "small"
    assert protocol == make_protocol("other", 150, goals_per_product=2)
    assert protocol.stamp in made.output
    by = ("--protocol", str(tmp_path / "small.json"))
    learn = ("--out", str(tmp_path / "run"), "--stages", "behavior_cloning", "--rollouts", "10")
    trained = runner.invoke(app, ["shop", "train", *learn, *by])
    assert trained.exit_code == 0, trained.output
    policy = ("--policy", str(tmp_path / "run" / "behavior_cloning"), "--goals", "12")
    judged_are = {
        policy: ["greedy", "sampled", "first-hit", "browser"],
        ("--agent", "rules", *by): ["first-hit", "browser", "oracle"],
    }
    for who, names in judged_are.items():
        out = tmp_path / f"{names[-1]}.json"
        judged = runner.invoke(app, ["shop", "evaluate", *who, "--out", str(out)])
        assert judged.exit_code == 0, judged.output
        assert protocol.stamp in judged.output
        saved = json.loads(out.read_text())
        assert list(saved) == names
        for results in saved.values():
            assert results["origin"]["hash"] == protocol.hash
            assert results["goals"] == list(range(len(results["goals"])))
            assert results["summary"]["options_chosen"] is not None
    before = out.read_bytes()
    refused = runner.invoke(app, ["shop", "evaluate", *by, "--out", str(out)])
    assert refused.exit_code == 1
    assert "is there and would be lost; name another file" in " ".join(refused.output.split())
    assert out.read_bytes() == before


def test_the_named_protocols_are_shown() -> None:
    shown = runner.invoke(app, ["shop", "protocol"], env={"COLUMNS": "120"})
    assert shown.exit_code == 0, shown.output
    for name in named_protocols():
        assert load_protocol(name).hash[:12] in shown.output


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


def test_a_protocol_is_not_replaced_by_another(tmp_path: Path) -> None:
    out = tmp_path / "p.json"
    options = ("shop", "protocol", "--out", str(out), *SHOP)
    for _ in range(2):  # the same command says the same
        assert runner.invoke(app, options).exit_code == 0
    before = out.read_bytes()
    refused = runner.invoke(app, [*options, "--goal-seed", "1"])
    assert refused.exit_code == 1
    assert "holds another protocol, p " in refused.output
    assert out.read_bytes() == before


IN_A_SHOP = (
    ("evaluate",),
    ("play",),
    ("openenv",),
    ("serve",),
    ("train", "--out", "x"),
    ("protocol", "--out", "p.json"),
)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("evaluate", "--agent", "parrot"), "parrot"),
        (("evaluate", "--answers", "write"), "for the policy of a language model"),
        (("train", "--out", "x", "--lora-rank", "4"), "name it with --base-model"),
        (("evaluate", "--policy", "nowhere"), "no finished stage"),
        (("evaluate", "--policy", "x", "--catalogue", "9"), "leave out --catalogue"),
        (("evaluate", "--protocol", "nobodys"), "there are generated"),
        (("protocol", "--out", "p.json", "--protocol", "generated"), "leave it out beside --out"),
        (("protocol", "--out", "p.json", "--test-share", ".95"), "leave something to training"),
        (("evaluate", "--protocol", "generated", "--reward", "webshop"), "leave out --reward"),
        (("evaluate", "--protocol", "webshop-products"), "pass their folder"),
        (("evaluate", "--protocol", "webshop-products"), "(--catalogue)"),
        (("evaluate", "--protocol", "generated", "--reward", "repaired"), "leave out --reward"),
        (
            ("train", "--out", "x", "--stages", "magic"),
            "ppo, sft, got 'magic'; on the command line",
        ),
        *(((*command, "--catalogue", "nowhere"), "no folder") for command in IN_A_SHOP),
        *(((*command, "--instructions", "no.json"), "no.json: cannot") for command in IN_A_SHOP),
        (
            ("train", "--out", "x", "--base-model", "./x", "--instructions", "no.json"),
            "no.json: cannot",
        ),
        (("train", "--out", "x", "--base-model", "./x", "--reward", "none"), "reward must be"),
        (("train", "--out", "x", "--base-model", "./x", "--split-by", "none"), "split_by must be"),
        (("evaluate", "--out", ".", "--agent", "parrot"), "--out: . is there"),
        (("protocol", "--out", "."), "--out: . is there"),
        (("play", "--goal", "1", "--seed", "1"), "leave out --seed"),
        (("train", "--out", "x", "--stages", "sft", "--dpo-beta", "1"), "leave out --dpo-beta"),
        (("train", "--out", "x", "--stages", "dpo", "--teacher", "oracle"), "leave out --teacher"),
        (("train", "--out", "x", "--stages", "sft,ppo", "--reward-model", "y"), "no language rewa"),
        (("evaluate", "--catalogue", "."), "expected one file items_shuffle"),
        (
            ("protocol", "--test-share", ".2", "--goal-seed", "0"),
            "--test-share, --goal-seed make a new",
        ),
        (("protocol", "--out", "p.json", "--name", "generated"), "comes with the package"),
        (
            ("protocol", "--out", "p", "--split-by", "position", "--test-share", ".2"),
            "leave out --v",
        ),
        (("evaluate", "--policy", "x", "--agent", "oracle"), "leave out --agent"),
        (("train", "--out", "x", "--reward-model", "y"), "leave out --reward-m"),
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
