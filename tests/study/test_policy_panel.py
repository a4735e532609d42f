"""``llmrec bench policies`` on a tiny world, through real trainings and the embedded LE."""

from __future__ import annotations

import inspect
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from few_users import WORLD, le_of_nobody
from typer.testing import CliRunner

pytest.importorskip("stable_baselines3")
pytest.importorskip("d3rlpy")
pytest.importorskip("scipy")
pytest.importorskip("implicit")

from llmrec_env.cli import app
from llmrec_env.cli.bench.policies import policies
from llmrec_env.common.errors import SettingError
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.source import Source
from llmrec_env.data.splits import split_by_user
from llmrec_env.data.world.generated import generate_world
from llmrec_env.evaluation.policies import PreferencePolicy, RandomPolicy
from llmrec_env.evaluation.policy_ranking import policy_ranking
from llmrec_env.evaluation.returns import evaluate_policy
from llmrec_env.experiments.card import panel_order
from llmrec_env.experiments.policy_ranking import (
    PolicyRankingSettings,
    off_policy,
    run_policy_ranking,
    workshop,
    worlds,
)
from llmrec_env.experiments.policy_ranking.judges import JUDGES
from llmrec_env.experiments.policy_ranking.members import MEMBERS, TRAININGS
from llmrec_env.experiments.policy_ranking.policies import GreedyReward
from llmrec_env.language.model import LanguageEnvironment
from llmrec_env.users.language import LanguageUser, embedded_user

FEW = ("random", "popular", "ease", "bc", "le", "ppo-1", "ppo-4", "overrated")
TINY = PolicyRankingSettings(
    simulator=str(le_of_nobody()),
    policies=FEW,
    episodes=3,
    epochs=1,
    ppo_steps=64,
    ppo_envs=4,
    d3rlpy_steps=2,
    world_size=WORLD,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished panel."""
    path = tmp_path_factory.mktemp("policies") / "out"
    run_policy_ranking(TINY, path, workers=1)
    return path


def test_a_panel_holds_what_a_sceptic_asks_for() -> None:
    assert len(MEMBERS) >= 16
    assert {member.kind for member in MEMBERS.values()} == {
        *("simple", "learned from the log", "made by the LE", "learned in the LE", "adversary")
    }
    assert {member.training for member in MEMBERS.values()} - {""} == set(TRAININGS)
    assert sum(member.training == "ppo" for member in MEMBERS.values()) == 4
    assert len({member.label for member in MEMBERS.values()}) == len(MEMBERS)


def test_the_report_tells_what_anybody_computes_from_the_returns(folder: Path) -> None:
    judged = {name: json.loads((folder / f"returns/{name}.json").read_text()) for name in FEW}
    simulated, true = (
        {name: one["worlds"][world]["returns"] for name, one in judged.items()}
        for world in ("LE", "truth")
    )
    expected = policy_ranking(simulated, true)
    results = json.loads((folder / "results.json").read_text())
    elements = [e for section in results["sections"] for e in section["elements"]]
    tables = {e["title"]: e for e in elements if e["@"] == "Table"}
    found = {row[0]: row[1] for row in tables["Does the simulator rank them?"]["rows"]}
    assert found["Kendall tau, all policies"]["mean"] == pytest.approx(expected.tau.mean)
    assert found["regret of choosing the best"]["high"] == pytest.approx(expected.regret.high)
    ranked = tables["Simulated and true return"]["rows"]
    assert [row[5] for row in ranked] == list(range(1, len(FEW) + 1))
    assert ranked[0][0] == MEMBERS[expected.best].label
    (scatter,) = (e for e in elements if e["@"] == "Scatter")
    points = scatter["panels"][""]["learned in the LE"]
    assert points["names"] == ["PPO, 6% of steps", "PPO, 100% of steps"]
    assert all(claim["holds"] is None for claim in elements if claim["@"] == "Finding")
    table = pl.read_csv(folder / "policies.csv")
    assert table["truth return"].to_list() == pytest.approx([np.mean(true[name]) for name in FEW])


def test_a_card_takes_over_how_a_finished_panel_was_ordered(folder: Path, tmp_path: Path) -> None:
    user = LanguageUser.from_pretrained(str(TINY.simulator))
    judged = {name: json.loads((folder / f"returns/{name}.json").read_text()) for name in FEW}
    simulated, true = (
        {name: one["worlds"][world]["returns"] for name, one in judged.items()}
        for world in ("LE", "truth")
    )
    found = panel_order(folder, TINY.source, user)
    assert found.tau == policy_ranking(simulated, true).tau
    assert (found.policies, found.users, found.estimates) == (len(FEW), 3, ())
    with pytest.raises(SettingError, match="another simulated user"):
        panel_order(folder, TINY.source, embedded_user())
    with pytest.raises(SettingError, match="holds no run"):
        panel_order(tmp_path, TINY.source, user)


def test_what_was_trained_is_kept_and_more_policies_may_be_asked_for(folder: Path) -> None:
    trained = {p.name: p.stat().st_mtime_ns for p in (folder / "policies").iterdir()}
    assert set(trained) == {"bc", "ppo", "overrated"}
    judged = (folder / "returns/le.json").stat().st_mtime_ns
    (folder / "returns/ppo-4.json").unlink()
    run_policy_ranking(replace(TINY, policies=(*FEW, "ppo-2")), folder, workers=1)
    assert {p.name: p.stat().st_mtime_ns for p in (folder / "policies").iterdir()} == trained
    assert (folder / "returns/le.json").stat().st_mtime_ns == judged
    assert (folder / "returns/ppo-2.json").exists()
    with pytest.raises(SettingError, match="episodes=3 instead of 4"):
        run_policy_ranking(replace(TINY, episodes=4), folder, workers=1)


def test_every_policy_of_the_panel_is_one_for_both_worlds(tmp_path: Path) -> None:
    """Also those whose training a tiny panel leaves out."""
    panel = replace(workshop.opened_panel(TINY, tmp_path), epochs=1)
    observation = {
        "state": panel.simulator.label(panel.split.test).states[:2],
        "history": np.full((2, 50), panel.simulator.n_items),
    }
    observation["history"][:, -2:] = [[3, 4], [5, 6]]
    for name in ("least-popular", "knn", "gru4rec", "snqn", "leasr", "cql", "le-last"):
        member = MEMBERS[name]
        if member.training:
            TRAININGS[member.training](panel, tmp_path / name, tmp_path / f"{name}-checkpoints")
        policy = member.make(panel, tmp_path / name)
        seen = getattr(policy, "observation", "both")
        scores = policy.action_scores(observation if seen == "both" else observation[seen])
        assert scores.shape == (2, panel.simulator.n_items)


def test_the_greedy_policy_shows_what_the_le_likes_best_of_its_shortlist(folder: Path) -> None:
    panel = workshop.opened_panel(TINY, folder)
    user: LanguageUser = panel.simulator
    histories = [np.array([1, 2, 3]), np.array([7, 8])]
    states = user.open(histories).states
    rows = np.full((2, 5), user.n_items)
    rows[0, -3:], rows[1, -2:] = histories
    scores = GreedyReward(user).action_scores({"state": states, "history": rows})
    logits = np.array(PreferencePolicy(user).action_scores(states))
    for row, history in enumerate(histories):
        logits[row, history] = -np.inf
        listed = np.argsort(-logits[row])[:50]
        rewards = user.score([history], listed[None])[0]
        assert scores[row].argmax() == listed[rewards.argmax()]
        assert scores[row, listed] == pytest.approx(rewards, abs=1e-5)
        others = np.setdiff1d(np.arange(user.n_items), listed)
        assert scores[row, others].max() < 0


def test_a_log_of_another_policy_is_asked_what_each_policy_would_earn(tmp_path: Path) -> None:
    settings = replace(TINY, policies=("random", "popular", "sasrec"), budget=0.01)
    before = run_policy_ranking(settings, tmp_path / "out", workers=1)
    judged = (tmp_path / "out/returns/sasrec.json").stat().st_mtime_ns
    report = run_policy_ranking(replace(settings, logged=6), tmp_path / "out", workers=1)
    assert (tmp_path / "out/returns/sasrec.json").stat().st_mtime_ns == judged
    assert len(report.sections) == len(before.sections) + 1
    (table,) = report.sections[-1].elements
    rows = {row[0]: row[1:] for row in table.rows}  # type: ignore[attr-defined]
    assert {"SN-PDIS", "DM", "SN-DR", "SN-MIS", "one-step SN-IS"} <= set(rows)
    told = json.loads((tmp_path / "out/estimates/6/popular.json").read_text())
    assert told["DM"]["effective"] is None
    assert rows.pop("DM")[2] is None
    assert all(1 <= row[2] <= 300 for row in rows.values())


def test_estimators_are_ranked_by_the_order_that_they_give() -> None:
    true = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}
    found = {
        name: {
            "right": {"value": 10 * value, "effective": 5.0},
            "wrong": {"value": -value, "effective": 2.0},
            "silent": {"value": None, "effective": 0.0}
            if name == "a"
            else {"value": value, "effective": 0.0},
        }
        for name, value in true.items()
    }
    rows = {row["estimator"]: row for row in off_policy.orders(found, true, {"c", "d"})}
    assert [rows[name]["tau"] for name in ("right", "wrong", "silent")] == [1, -1, 1]
    assert rows["wrong"]["tau_better"] == -1
    assert rows["silent"]["estimated"] == 3


def a_rated_log(users: int, everything: bool) -> InteractionLog:
    """The items of the embedded LE, rated by some users: half of these all, or each a part."""
    catalogue, rng = generate_world(0, *WORLD).catalogue, np.random.default_rng(0)
    rows = [
        {"user_id": f"u{user}", "item_id": item, "rating": float(rng.integers(1, 6))}
        for user in range(users)
        for item in catalogue.ids[: None if everything and user % 5 < 3 else 30]
    ]
    return InteractionLog.from_table(catalogue, pl.DataFrame(rows))


def test_a_log_of_ratings_has_a_truth_where_users_rated_everything(tmp_path: Path) -> None:
    log = a_rated_log(40, everything=True)
    source = Source("ratings", log, split_by_user(log))
    users = worlds.known_users(source, source.split.test)
    assert 0 < users.n_users < source.split.test.n_users
    judges = worlds.judges(source, embedded_user())
    for judge in judges.values():
        assert judge.users is not None
        assert judge.users.user_ids.equals(users.user_ids)
    earned = [evaluate_policy(RandomPolicy(), who, episodes=1) for who in judges.values()]
    assert earned[0].user_ids == earned[1].user_ids


def test_where_nobody_knows_the_truth_judges_are_held_against_each_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log = generate_world(0, *WORLD).log
    source = Source("my log", log, split_by_user(log))
    monkeypatch.setattr(PolicyRankingSettings, "source", source)
    settings = replace(TINY, policies=("random", "popular", "ease"))
    for asked in ({"logged": 5}, {"judges": ("one-step",)}, {"judges": ("true-again",)}):
        with pytest.raises(SettingError, match="no truth to rank policies by"):
            run_policy_ranking(replace(settings, **asked), tmp_path / "out", workers=1)
        assert not (tmp_path / "out").exists()
    report = run_policy_ranking(settings, tmp_path / "out", workers=1)
    order, agreement = report.sections[-1].elements
    assert {row[0] for row in order.rows} == {"random", "popular", "EASE"}  # type: ignore[attr-defined]
    told = {row[0]: row[1:] for row in agreement.rows}  # type: ignore[attr-defined]
    for place, name in enumerate(settings.judges):
        assert told[JUDGES[name].label][place] == pytest.approx(1)
    assert not (tmp_path / "out/judges.csv").exists()


def test_every_judge_orders_the_panel_and_is_asked_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("llmrec_env.experiments.policy_ranking.settings.LOGGED_EPISODES", 6)
    folder, policies = tmp_path / "out", ("random", "popular", "le", "sasrec")
    everybody = tuple(name for name in JUDGES if name != "other-le")
    settings = replace(TINY, policies=policies, judges=everybody, budget=0.01)
    report = run_policy_ranking(settings, folder, workers=1)
    (table,) = next(own for own in report.sections if own.title == "Other judges").elements
    assert [row[0] for row in table.rows] == [JUDGES[name].label for name in everybody]  # type: ignore[attr-defined]
    written = (folder / "judged/factors/le.json").stat().st_mtime_ns
    rows = pl.read_csv(folder / "judges.csv")
    assert rows["judge"].to_list() == list(everybody)
    pessimistic, plain = (
        json.loads((folder / f"judged/{name}/le.json").read_text())
        for name in ("pessimistic", "ensemble")
    )
    assert np.mean(pessimistic) < np.mean(plain)
    run_policy_ranking(settings, folder, workers=1)
    assert (folder / "judged/factors/le.json").stat().st_mtime_ns == written


def test_half_of_the_users_are_kept_for_the_judge(tmp_path: Path) -> None:
    settings = replace(
        TINY,
        policies=("random", "popular", "ease"),
        judges=("le", "other-le", "factors"),
        cross_fit=True,
        budget=0.01,
    )
    report = run_policy_ranking(settings, tmp_path / "out", workers=1)
    panel = workshop.opened_panel(settings, tmp_path / "out")
    train = settings.source.split.train
    parts = [set(log.user_ids.to_list()) for log in (panel.split.train, panel.judging)]
    assert parts[0].isdisjoint(parts[1])
    assert parts[0] | parts[1] == set(train.user_ids.to_list())
    learned = [
        LanguageEnvironment.from_pretrained(tmp_path / "out/judges" / name).record["learning"]
        for name in ("le_of_the_policies", "le_of_the_judge")
    ]
    assert [own["training_users"] for own in learned] == [
        panel.split.train.users_fingerprint,
        panel.judging.users_fingerprint,
    ]
    (table,) = next(own for own in report.sections if own.title == "Other judges").elements
    assert [row[0] for row in table.rows][1] == "LE of other users"  # type: ignore[attr-defined]


def test_the_command_line_has_the_defaults_of_the_settings() -> None:
    given = {n: option.default for n, option in inspect.signature(policies).parameters.items()}
    settings = vars(PolicyRankingSettings())
    for name in ("episodes", "seed", "budget", "simulator", "data"):
        assert given[name] == settings[name]
    assert PolicyRankingSettings().command == "llmrec bench policies"
    result = CliRunner().invoke(app, ["bench", "policies", "--policies", "random,popular,best"])
    assert result.exit_code == 1
    told = " ".join(result.output.split())
    assert "no policy best: expected some of random, popular, least-popular, knn, ease" in told
    spelt = PolicyRankingSettings(policies=("item-KNN", "EASE", "Least Popular"), judges=("LE",))
    assert (spelt.policies, spelt.judges) == (("knn", "ease", "least-popular"), ("le",))
    with pytest.raises(SettingError, match="no judge me: expected le, ensemble"):
        PolicyRankingSettings(judges=("le", "me"))
    with pytest.raises(SettingError, match="judges must be one or more"):
        PolicyRankingSettings(judges=())
    with pytest.raises(SettingError, match=r"other-le .* --cross-fit"):
        PolicyRankingSettings(judges=("le", "other-le"))
