"""The command line as a person uses it: real runs of every command, made short."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import typer.main
from commands import run, runner

from agents import Recommender, RecommenderConfig
from agents.objectives import FRAMEWORKS
from llmrec_env.cli import app
from llmrec_env.common.errors import SettingError
from llmrec_env.data.loading import load
from llmrec_env.data.splits import split_by_user
from llmrec_env.evaluation.ranking import evaluate_ranking
from llmrec_env.language.lm.small_model import SmallModelConfig, small_base_model
from llmrec_env.language.model import LanguageEnvironment
from llmrec_env.offline import Transitions
from llmrec_env.users.language import LanguageUser, embedded_user

pytest.importorskip("d3rlpy")
pytest.importorskip("stable_baselines3")


@pytest.mark.slow
def test_each_step_works_alone_on_a_persons_own_data(data: Path, tmp_path: Path) -> None:
    where = ("--data", str(data))
    le, table, model = tmp_path / "le", tmp_path / "transitions", tmp_path / "model"
    assert "untrained" in run("fit", *where, "--out", str(le), "--budget", "0.02")
    assert (le / "config.json").exists()
    run("label", *where, "--simulator", str(le), "--out", str(table), "--augment", "1")
    assert Transitions.load(table).augmented.any()
    train = ("train", *where, "--simulator", str(le), "--out", str(model), "--epochs", "1")
    assert "LEASR" in run(*train, "--objective", "sa2c")  # state and reward, for it has a Q head
    # sixty users leave six for the test, so fewer episodes than the default asks for
    printed = run("evaluate", *where, "--simulator", str(le), "--recommender", str(model))
    assert "popular" in printed
    again = runner.invoke(app, ["fit", *where, "--out", str(le)])
    assert again.exit_code == 1
    assert "holds a saved LE" in again.output
    assert "accuracy" in run("evaluate", *where, "--simulator", str(le))


@pytest.mark.slow
def test_a_user_without_a_language_model_is_fitted_alike(data: Path, tmp_path: Path) -> None:
    where, user = ("--data", str(data)), tmp_path / "user"
    steps = ("--epochs", "1", "--min-steps", "3")
    run("fit", *where, "--out", str(user), "--no-language-model", *steps)
    assert not (user / "adapter").exists()
    assert "accuracy" in run("evaluate", *where, "--simulator", str(user))


@pytest.mark.slow
def test_new_items_are_added_to_a_saved_user(data: Path, tmp_path: Path) -> None:
    le, items, grown = tmp_path / "le", tmp_path / "new.csv", tmp_path / "grown"
    steps = ("--epochs", "1", "--min-steps", "3")
    run("fit", "--data", str(data), "--out", str(le), "--no-language-model", *steps)
    items.write_text("sku,title\nx1,A quiet harbour\nx2,The duel\n")
    command = ("add-items", "--simulator", str(le), "--items", str(items), "--out", str(grown))
    assert "2 items added to 60" in run(*command)
    assert LanguageEnvironment.from_pretrained(grown).catalogue.ids[60:] == ["x1", "x2"]
    assert "nothing is left to do" in run(*command)
    twice = runner.invoke(app, [*command[:2], str(grown), *command[3:6], str(tmp_path / "more")])
    assert twice.exit_code == 1
    assert "in the catalogue already" in twice.output


@pytest.mark.slow
def test_members_are_given_to_a_saved_user(data: Path, tmp_path: Path) -> None:
    where, le, many = ("--data", str(data)), tmp_path / "le", tmp_path / "many"
    steps = ("--epochs", "1", "--min-steps", "3")
    run("fit", *where, "--out", str(le), "--no-language-model", *steps)
    command = ("ensemble", *where, "--simulator", str(le), "--out", str(many), "--members", "3")
    printed = run(*command, *steps, "--budget", "0.5")
    assert "their mean" in printed
    assert "no measurement" in printed
    assert LanguageUser.from_pretrained(many).n_members == 3
    assert "nothing is left to do" in run(*command, *steps, "--budget", "0.5")
    assert "accuracy" in run("evaluate", *where, "--simulator", str(many))


def test_train_names_every_objective_and_refuses_others(tmp_path: Path) -> None:
    options = typer.main.get_command(app).commands["train"].params
    said = next(option.help for option in options if option.name == "objective")
    assert all(re.search(rf"\b{name}\b", said) for name in FRAMEWORKS)
    refused = runner.invoke(app, ["train", "--objective", "dqn", "--out", str(tmp_path / "model")])
    assert refused.exit_code == 1
    assert "supervised, sqn, sac" in refused.output


@pytest.mark.parametrize("switch", ["--state", "--reward"])
@pytest.mark.parametrize("objective", ["supervised", "proxy"])
def test_what_acts_on_a_q_head_is_refused_to_an_objective_without_one(
    objective: str, switch: str, tmp_path: Path
) -> None:
    command = ["train", "--objective", objective, switch, "--out", str(tmp_path / "model")]
    refused = runner.invoke(app, command)
    assert refused.exit_code == 1
    with pytest.raises(SettingError) as in_python:
        RecommenderConfig.of(objective=objective, **{switch.strip("-"): True})
    assert str(in_python.value) in refused.output
    assert "state and reward act on the Q head" in refused.output


def test_an_objective_without_q_head_needs_no_switches(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"
    command = ("train", "--data", str(data), "--out", str(out), "--epochs", "1", "--no-augment")
    assert "SASRec" in run(*command, "--objective", "supervised")
    config = Recommender.load(out).config
    assert not config.language.state
    assert not config.language.reward


def test_what_stands_where_something_shall_be_saved_is_refused_first(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine", encoding="utf-8")
    for command in ("fit", "train"):
        refused = runner.invoke(app, [command, "--out", str(tmp_path)])
        assert refused.exit_code == 1
        assert "thesis.tex" in refused.output
        assert "would be lost" in " ".join(refused.output.split())
    for command in (["demo"], ["bench"], ["bench", "offline"]):
        refused = runner.invoke(app, [*command, "--out", str(tmp_path)])
        assert refused.exit_code == 1
        assert "holds something else" in " ".join(refused.output.split())
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_last_items_are_held_out_where_asked(data: Path, tmp_path: Path) -> None:
    last = ("--data", str(data), "--split", "last")
    le, model = str(tmp_path / "le"), str(tmp_path / "model")
    run("fit", *last, "--no-language-model", "--epochs", "1", "--min-steps", "2", "--out", le)
    plain = ("--objective", "supervised", "--no-augment", "--epochs", "1")
    run("train", *last, *plain, "--out", model)
    ranked = run("evaluate", *last, "--recommender", model, "--episodes", "0")
    assert re.search(r"steps\D+60\b", ranked), "one step of each of the 60 users"
    run("evaluate", *last, "--simulator", le)
    for command in (("evaluate", "--simulator", le), ("train", *plain, "--out", model)):
        refused = runner.invoke(app, [*command, "--data", str(data)])
        assert refused.exit_code == 1
        said = " ".join(refused.output.split())
        assert "give the --data, --split and --seed" in said or "other data or settings" in said
    unknown = runner.invoke(app, ["evaluate", "--data", str(data), "--split", "first"])
    assert "split must be 'user' or 'last', got 'first'" in " ".join(unknown.output.split())


def test_a_fused_recommender_is_judged_with_the_states_of_its_user(
    data: Path, tmp_path: Path
) -> None:
    where, le, model = ("--data", str(data)), tmp_path / "le", tmp_path / "model"
    steps = ("--epochs", "1", "--min-steps", "3")
    run("fit", *where, "--out", str(le), "--no-language-model", *steps)
    user, split = LanguageUser.from_pretrained(le), split_by_user(load(data), seed=0)
    fused = {"state": True, "state_to": "fused", "dim": 8, "epochs": 1}
    recommender = Recommender(RecommenderConfig.of(**fused)).fit(split.train, user)
    assert recommender.network.fusion is not None
    torch.nn.init.normal_(recommender.network.fusion.weight)  # what is read now counts
    recommender.save(model)
    asked = ("evaluate", *where, "--recommender", str(model), "--simulator", str(le))
    printed = {episodes: run(*asked, "--episodes", episodes) for episodes in ("0", "2")}
    found = evaluate_ranking(recommender, split.test, (10,), mask_seen=False)["NDCG@10"]
    for output in printed.values():
        (row,) = re.findall(r"NDCG@10 +│(.*)", output)
        assert f"{found:.4f}" in row
    assert "Episodes of test users" in printed["2"]
    assert "Episodes of test users" not in printed["0"]
    alone = runner.invoke(app, [*asked[:-2], "--episodes", "0"])
    assert alone.exit_code == 1
    assert "the embedded simulated user knows other items" in alone.output


@pytest.mark.slow
def test_two_processes_fit_and_train_and_one_of_them_saves(
    data: Path, tmp_path: Path, launch: Callable[..., tuple[int, str]]
) -> None:
    tiny = SmallModelConfig(
        hidden_size=16, layers=1, intermediate_size=24, vocabulary=320, min_steps=1, max_steps=1
    )
    base = small_base_model(load(data).catalogue, tiny)
    le, model = tmp_path / "le", tmp_path / "model"
    short = ("--data", str(data), "--epochs", "1")
    fit = ("-m", "llmrec_env.cli", "fit", *short, "--min-steps", "3", "--base-model", str(base))
    code, output = launch(*fit, "--out", str(le), "--device", "cpu")
    assert code == 0, output
    assert output.count(f"Saved to {le}") == 1
    assert LanguageEnvironment.from_pretrained(le).record["learning"]["users"] == 48
    train = ("-m", "llmrec_env.cli", "train", *short, "--simulator", str(le), "--out", str(model))
    code, output = launch(*train)
    assert code == 0, output
    assert output.count(f"Saved to {model}") == 1
    assert "popular" in run(
        "evaluate",
        "--data",
        str(data),
        "--recommender",
        str(model),
        "--simulator",
        str(le),
        "--episodes",
        "2",
    )
    assert {path.name for path in tmp_path.iterdir()} == {"cache", "le", "model"}
    others = ("evaluate", "--data", str(data), "--simulator", str(le), "--seed", "1")
    refused = runner.invoke(app, others)
    assert refused.exit_code == 1
    assert "learned from other users than those" in " ".join(refused.output.split())


@pytest.mark.parametrize(
    "command",
    [
        *("demo", "label --out x", "evaluate", "rerun x --out y"),
        *("bench", "bench offline", "bench policies", "bench sensitivity"),
    ],
)
def test_what_one_process_does_is_refused_to_several(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    result = runner.invoke(app, command.split())
    assert result.exit_code == 1
    assert "works in one process and 2 were begun" in result.output


def test_a_log_in_parquet_is_labelled_into_a_folder_of_parts(tmp_path: Path) -> None:
    log, out = tmp_path / "log.parquet", tmp_path / "labelled"
    users = embedded_user().users
    assert users is not None
    users.select_users(range(9)).save(log)
    command = ("label", "--log", str(log), "--out", str(out), "--shard-rows", "100")
    printed = run(*command, "--augment", "0")
    rows = len(Transitions.load(out))
    assert f"{rows} transitions (0 added)" in printed
    assert len(list(out.glob("part-*.parquet"))) > 1
    again = runner.invoke(app, [*command, "--augment", "1"])
    assert again.exit_code == 1
    assert "holds another run (augment=0 instead of 1)" in again.output


@pytest.mark.parametrize("command", ["evaluate", "label --out never"])
def test_a_simulated_user_of_another_log_is_refused_by_name(data: Path, command: str) -> None:
    result = runner.invoke(app, [*command.split(), "--data", str(data)])
    assert result.exit_code == 1
    assert "the embedded simulated user knows other items" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--data a --log b --split last", "leave out --data, --split"),
        ("--log b --engine spark", "--engine is local or ray, got 'spark'"),
        ("--log b --actors 2", "belong to --engine ray"),
        ("--log b", "b: no such file"),
    ],
)
def test_options_of_label_that_contradict_each_other(options: str, message: str) -> None:
    result = runner.invoke(app, ["label", "--out", "never", *options.split()])
    assert result.exit_code == 1
    assert message in result.output


@pytest.mark.parametrize(
    ("feedback", "message"),
    [
        ("stars", "feedback must be one of auto, rating, liked, weight, event, none"),
        ("liked", "feedback='liked': nothing in the log's column 'liked' differs"),
    ],
)
def test_feedback_that_there_is_not_is_refused_before_anything_is_learned(
    data: Path, tmp_path: Path, feedback: str, message: str
) -> None:
    options = ["--data", str(data), "--out", str(tmp_path / "le"), "--feedback", feedback]
    result = runner.invoke(app, ["fit", *options])
    assert result.exit_code == 1
    assert message in " ".join(result.output.split())
    assert "Traceback" not in result.output


def test_a_missing_path_is_one_line_and_exit_code_one(tmp_path: Path) -> None:
    result = runner.invoke(app, ["evaluate", "--data", str(tmp_path / "nowhere")])
    assert result.exit_code == 1
    assert "no such file or folder" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("command", "left_out"),
    [
        ("serve --agent random --epsilon 0.3", "--epsilon"),
        ("evaluate --episodes 5", "--episodes"),
        ("demo --simulator x --base-model y", "--base-model"),
        ("evaluate --recommender x --other world:uniform", "--other"),
        ("train --out x --objective supervised --no-augment --simulator y", "--simulator"),
        ("fit --out x --no-language-model --lora-rank 4", "--lora-rank"),
        ("collect --out x --policy random --epsilon 0.2", "--epsilon"),
        ("collect --out x --policy own --epsilon 0.2 --temperature 1", "--epsilon"),
        ("collect --out x --policy own --data y --seed 1", "--data"),
    ],
)
def test_no_option_is_passed_over_in_silence(command: str, left_out: str) -> None:
    refused = runner.invoke(app, command.split())
    assert refused.exit_code == 1
    assert refused.output.rstrip().endswith(f": leave out {left_out}")
