"""What every recommender promises: all backbones, all variants."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from torch import nn

from agents import LEA, SNQN, Recommender, RecommenderConfig, Supervised, training
from agents.backbones import BACKBONES
from agents.data import TrainingData
from agents.objectives import FRAMEWORKS
from agents.training import Copies
from agents.windows import WindowBatches
from llmrec_env.common.errors import DataError, LLMRecError, SettingError
from llmrec_env.common.files import read_json, write_json
from llmrec_env.common.training import Loss, TrainingConfig
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.world.generated import generate_world
from llmrec_env.evaluation.ranking import evaluate_ranking
from llmrec_env.users.true_taste import TrueTasteUser

pytestmark = pytest.mark.core

MakeConfig = Callable[..., RecommenderConfig]
SWITCHES = {
    "plain": {},
    "SNQN": {"objective": "snqn"},
    "SNQN-periodic": {"objective": "snqn", "target": "periodic", "target_period": 3},
    "LES": {"objective": "snqn", "state": True},
    "LER": {"objective": "snqn", "reward": True},
    "LEA": {"objective": "snqn", "augment": True},
    "LESR": {"objective": "snqn", "state": True, "reward": True},
    "LEASR": {"objective": "snqn", "state": True, "reward": True, "augment": True},
    "soft-targets": {"augment": True},
    "control": {"augment": True, "teacher": "cooccurrence"},
}
CASES = [
    *itertools.product(("sasrec", "gru4rec"), SWITCHES),
    *itertools.product(("caser", "nextitnet"), ("plain", "SNQN-periodic", "LEASR")),
]


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def fitted(request: pytest.FixtureRequest, user: TrueTasteUser, tiny: MakeConfig) -> Recommender:
    backbone, kind = request.param
    log = user.world.log
    recommender = Recommender(tiny(backbone=backbone, **SWITCHES[kind]))
    held_out = log.select_users(range(20, 30))
    return recommender.fit(log.select_users(range(20)), user, held_out)


def test_scores_every_step_as_it_would_serve_it(fitted: Recommender, user: TrueTasteUser) -> None:
    sequences = user.world.log.sequences()[20:24]
    steps = fitted.score_steps(sequences)
    prefixes = [s[:t] for s in sequences for t in range(1, len(s))]
    assert steps.shape == (len(prefixes), 40)
    assert steps.dtype == np.float32
    assert fitted.score(prefixes) == pytest.approx(steps, abs=1e-4)


def test_recommends_unmet_items_best_first(fitted: Recommender, user: TrueTasteUser) -> None:
    histories = user.world.log.sequences()[20:23]
    best = fitted.recommend(histories, k=5)
    scores = fitted.score(histories)
    assert best.shape == (3, 5)
    for row, history, score in zip(best, histories, scores, strict=True):
        unseen = np.setdiff1d(np.arange(40), history)
        assert score[row].tolist() == sorted(score[unseen], reverse=True)[:5]
        assert not set(row) & set(history.tolist())
    assert fitted.recommend(histories, k=40, exclude_seen=False).min() == 0
    assert (fitted.recommend(histories, k=40) == -1).sum() == sum(len(set(h)) for h in histories)


def test_predicts_in_stable_baselines3_signature(fitted: Recommender) -> None:
    observation = np.full((2, 6), 40)
    observation[0, -3:] = [1, 2, 3]
    observation[1, -1:] = [7]
    actions, state = fitted.predict(observation)
    assert state is None
    assert actions.tolist() == fitted.recommend([[1, 2, 3], [7]], k=1)[:, 0].tolist()
    single, _ = fitted.predict(observation[0], state=None, episode_start=None, deterministic=True)
    assert single.shape == ()
    assert single == actions[0]
    both, _ = fitted.predict({"history": observation, "state": np.zeros((2, 3))})
    assert np.array_equal(both, actions)
    drawn = [fitted.predict(observation[0], deterministic=False)[0] for _ in range(20)]
    assert len(set(map(int, drawn))) > 1
    assert not {1, 2, 3} & set(map(int, drawn))
    assert np.array_equal(fitted.action_scores(observation), fitted.score([[1, 2, 3], [7]]))


def test_saves_and_loads_to_the_same_answers(
    fitted: Recommender, user: TrueTasteUser, tmp_path: Path
) -> None:
    sequences = user.world.log.sequences()[20:24]
    fitted.save(tmp_path / "model")
    loaded = Recommender.load(tmp_path / "model", catalogue=user.catalogue)
    assert np.array_equal(loaded.score_steps(sequences), fitted.score_steps(sequences))
    assert loaded.config == fitted.config
    assert loaded.history == fitted.history
    assert loaded.name == fitted.name


def test_the_same_seed_gives_the_same_numbers(fitted: Recommender, user: TrueTasteUser) -> None:
    log = user.world.log
    again = Recommender(fitted.config)
    again.fit(log.select_users(range(20)), user, log.select_users(range(20, 30)))
    assert again.history == fitted.history
    sequences = log.sequences()[20:24]
    assert np.array_equal(again.score_steps(sequences), fitted.score_steps(sequences))


@pytest.mark.parametrize("objective", ["supervised", "snqn"])
def test_a_share_of_nothing_is_learning_without_proposals(
    objective: str, user: TrueTasteUser, tiny: MakeConfig
) -> None:
    log = user.world.log
    target = {"target": "periodic"} if objective == "snqn" else {}
    settings = {"objective": objective, "dropout": 0.3, **target}
    plain = Recommender(tiny(**settings))
    none = Recommender(tiny(**settings, augment=True, augment_share=0.0))
    for recommender in (plain, none):
        simulator = None if recommender is plain else user
        recommender.fit(log.select_users(range(20)), simulator)
    assert none.history == plain.history
    sequences = log.sequences()[20:24]
    assert np.array_equal(none.score_steps(sequences), plain.score_steps(sequences))


@pytest.mark.parametrize(
    ("backbone", "objective"),
    [("sasrec", o) for o in FRAMEWORKS] + [(b, "snqn") for b in BACKBONES if b != "sasrec"],
)
def test_learns_that_the_next_item_follows(
    backbone: str, objective: str, cycle_log: InteractionLog, tiny: MakeConfig
) -> None:
    settings = {"epochs": 60, "learning_rate": 0.02, "mask_seen": False}
    config = tiny(backbone=backbone, objective=objective, **settings)
    recommender = Recommender(config).fit(cycle_log, validation=cycle_log)
    assert evaluate_ranking(recommender, cycle_log, ks=(1,))["HR@1"] > 0.95
    assert recommender.recommend([[4, 5]], k=1).tolist() == [[6]]


@pytest.mark.parametrize("backbone", BACKBONES)
def test_learns_that_the_item_before_the_last_follows(
    backbone: str, make_log: Callable[..., InteractionLog], tiny: MakeConfig
) -> None:
    pairs = np.random.default_rng(0).permuted(np.tile(np.arange(12), (40, 1)), axis=1)[:, :2]
    log = make_log([[a, b] * 3 for a, b in pairs.tolist()], n_items=12)
    config = tiny(backbone=backbone, epochs=30, learning_rate=0.03)
    recommender = Recommender(config).fit(log)
    best = recommender.recommend([[a, b, a] for a, b in pairs], k=1, exclude_seen=False)
    assert (best[:, 0] == pairs[:, 1]).mean() > 0.95


def test_the_reward_is_learned_by_the_q_head(make_log: Callable[..., InteractionLog]) -> None:
    log = make_log([[0, 1, 2, 3], [4, 5, 6, 7]], n_items=9)
    settings = {"dim": 16, "dropout": 0.0, "weight_decay": 0.0, "learning_rate": 0.02}
    snqn = SNQN("gru4rec", epochs=200, patience=0, negatives=2, **settings)
    network = snqn.fit(log).network
    states = network.encoder(network.bias.new_tensor([[0, 1, 2], [4, 5, 6]]).long())[:, -1]
    values = network.q(states, None).detach().numpy()
    assert values[0, 3] == pytest.approx(1.0, abs=0.1)  # the last step: its reward alone
    assert values[1, 7] == pytest.approx(1.0, abs=0.1)
    assert values[0, 8] == pytest.approx(0.5, abs=0.15)  # never saw: 0, then on from the same state


def test_learning_stops_early_and_keeps_the_best_pass(
    user: TrueTasteUser, tiny: MakeConfig
) -> None:
    log = user.world.log
    held_out = log.select_users(range(20, 30))
    config = tiny(epochs=50, patience=2, learning_rate=0.05)
    recommender = Recommender(config).fit(log.select_users(range(20)), None, held_out)
    curve = [row["NDCG@10"] for row in recommender.history]
    assert len(curve) < 50
    found = evaluate_ranking(recommender, held_out, mask_seen=True)  # nothing is taken twice there
    assert found["NDCG@10"] == pytest.approx(max(curve))


@pytest.mark.parametrize("wanted", [None, False, True])
@pytest.mark.parametrize("repeats", [False, True])
def test_validation_masks_what_nobody_takes_again_and_says_so(
    wanted: bool | None, repeats: bool, make_log: Callable[..., InteractionLog], tiny: MakeConfig
) -> None:
    sequences = [[u % 6, (u + 1) % 6, (u + 2) % 6, u % 6 if repeats else 6] for u in range(12)]
    log = make_log(sequences, n_items=7)
    recommender = Recommender(tiny(mask_seen=wanted, epochs=1)).fit(log, validation=log)
    masked = not repeats if wanted is None else wanted
    assert {row["mask_seen"] for row in recommender.history} == {masked}
    found = evaluate_ranking(recommender, log, mask_seen=masked)
    best = max(recommender.history, key=lambda row: row["NDCG@10"])
    assert found["NDCG@10"] == pytest.approx(best["NDCG@10"])


def test_a_run_goes_on_from_its_checkpoints(
    user: TrueTasteUser, tiny: MakeConfig, tmp_path: Path
) -> None:
    log = user.world.log
    config = tiny(objective="snqn")
    first = Recommender(config).fit(log, folder=tmp_path / "run")
    second = Recommender(config).fit(log, folder=tmp_path / "run")
    assert second.history == first.history
    assert np.array_equal(second.score([[1, 2]]), first.score([[1, 2]]))


def test_items_that_the_log_lacks_are_ranked_low(make_log: Callable[..., InteractionLog]) -> None:
    log = make_log([[0, 1, 2, 3, 0, 1]] * 10, n_items=6)
    recommender = Supervised("gru4rec", dim=16, dropout=0.0, epochs=40, learning_rate=0.01)
    recommender.fit(log)
    assert set(recommender.recommend([[0]], k=6, exclude_seen=False)[0, -2:]) == {4, 5}
    assert recommender.recommend([[4]], k=1).shape == (1, 1)  # unknown in training, not an error


def test_an_empty_history_gets_what_is_popular(cycle_log: InteractionLog, tiny: MakeConfig) -> None:
    recommender = Recommender(tiny()).fit(cycle_log)
    popular = np.argsort(-cycle_log.item_counts(), kind="stable")[:3]
    assert recommender.recommend([[], [1]], k=3)[0].tolist() == popular.tolist()
    assert recommender.action_scores(np.full((1, 5), 12)).shape == (1, 12)


def test_refuses_items_and_observations_it_cannot_know(
    cycle_log: InteractionLog, tiny: MakeConfig
) -> None:
    recommender = Recommender(tiny())
    with pytest.raises(LLMRecError, match="call fit"):
        recommender.recommend([[1]])
    recommender.fit(cycle_log)
    with pytest.raises(DataError, match="item index 12 is not in the catalogue of 12 items"):
        recommender.score_steps([np.array([1, 12])])
    with pytest.raises(DataError, match="item index -1"):
        recommender.recommend([[-1]])
    with pytest.raises(DataError, match="observation='history'"):
        recommender.predict(np.array([[0.5, 0.1]], dtype=np.float32))
    with pytest.raises(DataError, match=r"k must lie in \[1, 12\]"):
        recommender.recommend([[1]], k=13)


@pytest.mark.parametrize("histories", [np.arange(3), [["u1", "u2"]], [[0.5]]])
def test_refuses_what_are_no_item_arrays(
    histories: object, cycle_log: InteractionLog, tiny: MakeConfig
) -> None:
    recommender = Recommender(tiny(backbone="gru4rec", epochs=1)).fit(cycle_log)
    with pytest.raises(DataError, match="list of arrays of item indices"):
        recommender.recommend(histories)
    with pytest.raises(DataError, match="list of arrays of item indices"):
        recommender.score_steps(histories)


def test_a_device_that_is_not_there_is_refused_before_anything_is_done(
    cycle_log: InteractionLog, tiny: MakeConfig
) -> None:
    with pytest.raises(SettingError, match="device 'cuda:99' cannot be used here"):
        Recommender(tiny(backbone="gru4rec", device="cuda:99")).fit(cycle_log)


def test_a_simulated_user_in_the_place_of_the_log_is_told(user: TrueTasteUser) -> None:
    with pytest.raises(DataError, match=r"fit\(log, user\); the first was a TrueTasteUser"):
        Recommender().fit(user, user.world.log)  # type: ignore[arg-type]


def test_refuses_other_catalogues(
    cycle_log: InteractionLog, user: TrueTasteUser, tiny: MakeConfig, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"of another catalogue \(40 items\) than expected \(12"):
        Recommender(tiny()).fit(cycle_log, validation=user.world.log)
    Recommender(tiny()).fit(cycle_log).save(tmp_path / "model")
    with pytest.raises(DataError, match="another catalogue"):
        Recommender.load(tmp_path / "model", catalogue=user.catalogue)
    renamed = Catalogue(cycle_log.catalogue.table.reverse())
    with pytest.raises(DataError, match="another catalogue"):
        Recommender.load(tmp_path / "model", catalogue=renamed)


def test_refuses_folders_that_hold_no_recommender(
    cycle_log: InteractionLog, tiny: MakeConfig, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="no saved recommender"):
        Recommender.load(tmp_path / "nowhere")
    folder = tmp_path / "model"
    Recommender(tiny()).fit(cycle_log).save(folder)
    about = read_json(folder / "config.json")
    write_json(folder / "config.json", {**about, "format": 99})
    with pytest.raises(DataError, match="format 99"):
        Recommender.load(folder)
    write_json(folder / "config.json", {**about, "n_items": 13})
    with pytest.raises(DataError, match="no saved recommender"):
        Recommender.load(folder)
    write_json(folder / "config.json", {"format": 1, "settings": {}})  # as a saved LE has it
    with pytest.raises(DataError, match=r"what its config\.json says is of something else"):
        Recommender.load(folder)
    with pytest.raises(SettingError, match="holds something else"):
        Recommender(tiny()).fit(cycle_log).save(folder)
    assert read_json(folder / "config.json")["settings"] == {}
    write_json(folder / "config.json", about)
    (folder / "model.safetensors").write_bytes(b"not tensors")
    with pytest.raises(DataError, match="no saved recommender"):
        Recommender.load(folder)


def test_presets_name_the_usual_settings() -> None:
    assert Supervised().name == "SASRec supervised"
    assert SNQN("gru4rec").name == "GRU4Rec SNQN"
    assert LEA("gru4rec").name == "GRU4Rec LEASR"
    assert LEA("caser", reward=False).name == "Caser LEAS"
    assert Supervised("nextitnet").name == "NextItNet supervised"
    assert LEA(state=False, reward=False).name == "SASRec LEA"
    assert LEA(augment=False, state=False).name == "SASRec LER"
    assert LEA(objective="sa2c").name == "SASRec SA2C LEASR"
    assert Supervised(augment=True).name == "SASRec supervised LEA"
    assert LEA(state=False, reward=False, objective="supervised").config.needs_simulator
    assert not LEA(state=False, reward=False, teacher="popular").config.needs_simulator


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backbone": "transformer"}, "backbone must be one of sasrec, gru4rec, caser"),
        ({"state": True}, "use objective='snqn'"),
        ({"reward": True}, "use objective='snqn'"),
        ({"objective": "proxy", "state": True}, "which objective='proxy' has not"),
        ({"objective": "dqn"}, "objective must be one of supervised, sqn, sac, snqn, sa2c, smorl"),
        ({"objective": "sac", "warm_up": -1}, "warm_up must be 0 or more"),
        ({"objective": "sa2c", "warm_up": -1}, "warm_up must be 0 or more"),
        ({"objective": "sa2c", "propensity": 2}, r"propensity must lie in \[0, 1\]"),
        (
            {"objective": "smorl", "diversity_vectors": "text"},
            "diversity_vectors must be one of output, input, given",
        ),
        ({"augment_share": 1.5}, r"augment_share must lie in \[0, 1\]"),
        ({"dim": 10, "heads": 3}, "dim=10 cannot be split over heads=3"),
        ({"backbone": "caser", "window": 9, "max_length": 8}, "window=9 items"),
        ({"backbone": "nextitnet", "kernel_size": 1}, "kernel_size must be at least 2"),
        ({"item_init": "zeros"}, "item_init must be one of random, text"),
        ({"epochs": 0}, "epochs must be positive"),
        ({"layers": 0}, "layers must be positive"),
        ({"objective": "sqn", "gamma": 1.0}, "gamma must lie in"),
        ({"teacher": "popular"}, "from which only augment=True learns"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        RecommenderConfig.of(**settings)


@pytest.mark.parametrize("processes", [1, 2])
def test_processes_share_the_passes_and_overwrite_their_copies_together(
    processes: int, tiny: MakeConfig, cycle_log: InteractionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny(objective="snqn", target="periodic", target_period=2, epochs=3, batch_size=16)
    data = TrainingData.prepare(cycle_log, None, config)
    steps, settings = [], []

    def roles(copies: Copies, step: int, rng: np.random.Generator) -> list[nn.Module]:
        steps.append(step)
        return list(copies.networks)

    def take_eight_batches(module: Copies, loss: Loss, config: TrainingConfig, **_: object) -> None:
        settings.append(config)
        for number in range(8):
            loss(number, np.random.default_rng(number))

    monkeypatch.setattr(Copies, "roles", roles)
    monkeypatch.setattr(training, "train", take_eight_batches)
    monkeypatch.setattr(training.processes, "count", lambda: processes)
    training.fit_network(config.create(n_items=12), data, config)
    assert steps == [number // processes for number in range(8)]
    batches = WindowBatches(data.windows, 16, config.training.seed).per_epoch
    assert settings[0].evaluate_every == -(-batches // processes)
    assert settings[0].steps == 3 * settings[0].evaluate_every


def test_it_names_the_candidates_of_an_environment(
    fitted: Recommender, user: TrueTasteUser
) -> None:
    env: Any = gym.make("LLMRec/NextItem-v1", simulator=user, candidates=6, retrieve=fitted)
    _, info = env.reset(seed=0)
    rules = env.unwrapped.rules
    history = [rules.initial_histories.history(int(rules.users[0]))]
    np.testing.assert_array_equal(info["candidates"], fitted.recommend(history, k=6)[0])
    other = TrueTasteUser(generate_world(seed=0, n_items=41, n_users=30))
    with pytest.raises(DataError, match="catalogue"):
        gym.make("LLMRec/NextItem-v1", simulator=other, candidates=6, retrieve=fitted)
