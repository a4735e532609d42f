"""The sequence encoders as a features extractor of stable-baselines3."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from agents import Recommender, RecommenderConfig
from agents.backbones import BACKBONES
from agents.windows import last_window
from llmrec_env.common.errors import SettingError
from llmrec_env.users.true_taste import TrueTasteUser

sb3 = pytest.importorskip("stable_baselines3")
contrib = pytest.importorskip("sb3_contrib")

from agents.sb3 import ItemPolicy, MaskableItemPolicy, SequenceFeatures, begin_with  # noqa: E402
from llmrec_env.envs.sb3 import make_vec_env  # noqa: E402
from llmrec_env.evaluation.policies import SB3Policy  # noqa: E402
from llmrec_env.evaluation.returns import evaluate_policy  # noqa: E402

N_ITEMS, LENGTH, STEPS = 40, 10, 6
ON_POLICY = {"n_steps": 8, "seed": 0}
DQN = {"learning_starts": 8, "batch_size": 8, "train_freq": 4, "buffer_size": 100, "seed": 0}
ALGORITHMS = {
    "ppo": (sb3.PPO, {**ON_POLICY, "batch_size": 16, "n_epochs": 2}),
    "maskable": (contrib.MaskablePPO, {**ON_POLICY, "batch_size": 16, "n_epochs": 2}),
    "a2c": (sb3.A2C, ON_POLICY),
    "dqn": (sb3.DQN, DQN),
}


def make(user: TrueTasteUser, observation: str = "history", num_envs: int = 4, **more: Any) -> Any:
    more = {"history_length": LENGTH, "max_episode_steps": STEPS, **more}
    return make_vec_env(num_envs, seed=0, simulator=user, observation=observation, **more)


def model_of(name: str, env: Any, policy: Any = None, **kwargs: Any) -> Any:
    """A model whose features extractor takes ``kwargs``; width 8 unless they say otherwise."""
    algorithm, how = ALGORITHMS[name]
    if "recommender" not in kwargs:
        kwargs = {"dim": 8, **kwargs}
    policy_kwargs = {
        "features_extractor_class": SequenceFeatures,
        "features_extractor_kwargs": kwargs,
    }
    many = isinstance(env.observation_space, spaces.Dict)
    policy = policy or ("MultiInputPolicy" if many else "MlpPolicy")
    return algorithm(policy, env, policy_kwargs=policy_kwargs, **how)


def extractor_of(model: Any) -> SequenceFeatures:
    policy = model.policy
    return (
        policy.q_net.features_extractor if hasattr(policy, "q_net") else policy.features_extractor
    )


def weights_of(model: Any) -> dict[str, torch.Tensor]:
    state = extractor_of(model).encoder.state_dict()
    return {name: value.clone() for name, value in state.items()}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)


def padded(histories: list[list[int]], length: int) -> torch.Tensor:
    """As the environment observes them, and as SB3 hands them on: left-padded, as floats."""
    rows = torch.full((len(histories), length), N_ITEMS)
    for row, history in zip(rows, histories, strict=True):
        if history:
            row[-len(history) :] = torch.tensor(history)
    return rows.float()


@pytest.fixture(scope="module")
def fitted(user: TrueTasteUser, tiny: Callable[..., RecommenderConfig]) -> Recommender:
    """A recommender that reads fewer items than are observed, and learned with dropout."""
    config = tiny(backbone="sasrec", max_length=6, dropout=0.3, epochs=1)
    return Recommender(config).fit(user.world.log)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_features_are_the_encoders_state_of_the_history(backbone: str, user: TrueTasteUser) -> None:
    features = extractor_of(model_of("ppo", make(user), backbone=backbone)).eval()
    histories = [[3], [5, 7, 7, 1], list(range(LENGTH))]
    found = features(padded(histories, LENGTH))
    assert found.shape == (3, features.features_dim)
    for row, history in zip(found, histories, strict=True):
        torch.testing.assert_close(row, features.encoder(torch.tensor([history]))[0, -1])


@settings(max_examples=25, deadline=None)
@given(
    histories=st.lists(st.lists(st.integers(0, N_ITEMS - 1), max_size=12), min_size=1, max_size=4),
    longer=st.integers(0, 9),
)
def test_neither_padding_nor_other_rows_change_the_features(
    histories: list[list[int]], longer: int
) -> None:
    def space(length: int) -> spaces.Box:
        return spaces.Box(0, N_ITEMS, (length,), np.int64)

    torch.manual_seed(0)
    short = SequenceFeatures(space(12), "gru4rec", dim=8).eval()
    long = SequenceFeatures(space(12 + longer), "gru4rec", dim=8).eval()
    long.load_state_dict(short.state_dict())
    found = short(padded(histories, 12))
    torch.testing.assert_close(found, long(padded(histories, 12 + longer)))
    torch.testing.assert_close(found[:1], short(padded(histories[:1], 12)))
    for row, history in zip(found, histories, strict=True):
        assert bool(row.any()) == bool(history)  # after an empty history: 0


def test_the_other_entries_follow_the_encoders_state(user: TrueTasteUser) -> None:
    env = make(user, "both")
    features = extractor_of(model_of("ppo", env, dim=12))
    size = env.observation_space["state"].shape[0]
    assert features.features_dim == 12 + size
    observation = {"history": padded([[1, 2], [3]], LENGTH), "state": torch.rand(2, size)}
    found = features(observation)
    assert found.shape == (2, features.features_dim)
    assert torch.equal(found[:, 12:], observation["state"])
    torch.testing.assert_close(found[0, :12], features.encoder(torch.tensor([[1, 2]]))[0, -1])


@pytest.mark.parametrize("observation", ["history", "both"])
@pytest.mark.parametrize("name", ALGORITHMS)
def test_the_encoder_learns_and_is_saved_by_sb3(
    name: str, observation: str, user: TrueTasteUser, tmp_path: Path
) -> None:
    env = make(user, observation)
    model = model_of(name, env, backbone="caser", window=3)
    before = weights_of(model)
    model.learn(64)
    after = weights_of(model)
    for part in ("item_embedding.weight", "horizontal.0.weight", "merge.weight"):
        assert not torch.equal(before[part], after[part]), part
    model.save(tmp_path / "model.zip")
    again = type(model).load(tmp_path / "model.zip", env=env)
    assert same(weights_of(again), after)
    played = [
        evaluate_policy(SB3Policy(m), user, max_episode_steps=STEPS).returns for m in (model, again)
    ]
    np.testing.assert_array_equal(*played)
    again.learn(16)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_gradients_reach_every_weight_and_the_items_that_were_read(
    backbone: str, user: TrueTasteUser
) -> None:
    model = model_of("ppo", make(user), backbone=backbone)
    _, log_probability, _ = model.policy.evaluate_actions(
        padded([[1, 2, 3, 4, 5, 6], [6, 7]], LENGTH), torch.tensor([4, 5])
    )
    log_probability.sum().backward()
    encoder = extractor_of(model).encoder
    assert all(p.grad is not None and p.grad.any() for p in encoder.parameters())
    seen = encoder.item_embedding.weight.grad.any(dim=1).nonzero()[:, 0]
    assert set(seen.tolist()) <= set(range(1, 8))
    assert {6, 7} <= set(seen.tolist())


@pytest.mark.parametrize(
    ("name", "policy"), [("ppo", ItemPolicy), ("maskable", MaskableItemPolicy)]
)
def test_item_policies_score_items_by_the_encoders_state(
    name: str, policy: Any, user: TrueTasteUser, tmp_path: Path
) -> None:
    vectors = np.random.default_rng(0).normal(size=(N_ITEMS, 5)).astype(np.float32)
    algorithm, how = ALGORITHMS[name]
    policy_kwargs = {
        "item_vectors": vectors,
        "features_extractor_class": SequenceFeatures,
        "features_extractor_kwargs": {"dim": 8},
    }
    model = algorithm(policy, make(user), policy_kwargs=policy_kwargs, **how)
    before = weights_of(model)
    model.learn(64)
    assert not same(before, weights_of(model))
    rows = padded([[1, 2, 3]], LENGTH)
    query = model.policy.action_net.query
    state = extractor_of(model)(rows)
    raw = (query(state) @ torch.from_numpy(vectors).T).detach().numpy()
    scores = SB3Policy(model).action_scores(rows.long().numpy())
    np.testing.assert_allclose(scores - scores[:, :1], raw - raw[:, :1], rtol=1e-4, atol=1e-5)
    model.policy.save(tmp_path / "policy.zip")
    assert same(
        policy.load(tmp_path / "policy.zip").features_extractor.encoder.state_dict(),
        weights_of(model),
    )


@pytest.mark.parametrize("name", ALGORITHMS)
def test_it_begins_from_a_fitted_recommender(
    name: str, fitted: Recommender, user: TrueTasteUser
) -> None:
    """SB3's orthogonal initialisation of features extractors must not wipe out the copy."""
    model = model_of(name, make(user), recommender=fitted)
    assert same(weights_of(model), fitted.network.encoder.state_dict())
    features = extractor_of(model)
    features.train()
    rows = padded([[1, 2, 3], list(range(LENGTH)), [9] * 7], LENGTH)
    items = last_window([row[row < N_ITEMS].long().numpy() for row in rows], 6, N_ITEMS)
    assert items.shape[1] < LENGTH  # it reads as far back as the recommender does
    scores = fitted.network.logits(features(rows)).detach().numpy()
    np.testing.assert_allclose(scores, fitted.action_scores(rows.numpy()), atol=1e-4)
    model.learn(64)
    assert not same(weights_of(model), fitted.network.encoder.state_dict())


@pytest.mark.parametrize("name", ["ppo", "dqn"])
def test_a_frozen_encoder_stays_as_it_was_fitted(
    name: str, fitted: Recommender, user: TrueTasteUser, tmp_path: Path
) -> None:
    model = model_of(name, make(user), recommender=fitted, freeze=True, dropout=0.5)
    other = {n: p.clone() for n, p in model.policy.named_parameters() if "encoder" not in n}
    model.learn(64)
    assert same(weights_of(model), fitted.network.encoder.state_dict())
    assert any(
        not torch.equal(dict(model.policy.named_parameters())[n], p) for n, p in other.items()
    )
    features = extractor_of(model)
    features.train()
    rows = padded([[1, 2, 3]], LENGTH)
    assert torch.equal(features(rows), features(rows))  # no dropout either
    model.save(tmp_path / "model.zip")
    again = type(model).load(tmp_path / "model.zip", env=make(user))
    again.learn(64)
    assert same(weights_of(again), fitted.network.encoder.state_dict())


def test_dropout_is_off_unless_asked_for(user: TrueTasteUser) -> None:
    rows = padded([[1, 2, 3]], LENGTH)
    for dropout, steady in (({}, True), ({"dropout": 0.5}, False)):
        features = extractor_of(model_of("ppo", make(user), **dropout)).train()
        assert torch.equal(features(rows), features(rows)) == steady


def test_a_single_environment_serves_as_well(user: TrueTasteUser) -> None:
    env = gym.make(
        "LLMRec/NextItem-v1", simulator=user, observation="history", history_length=LENGTH
    )
    model = model_of("dqn", env, n_items=N_ITEMS).learn(16)
    observation, _ = env.reset(seed=0)
    action, _ = model.predict(observation)
    assert env.action_space.contains(np.int64(action))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"n_items": 39}, "n_items speaks of 39 items, and the observed histories are of 40"),
        ({"freeze": True}, "freeze=True keeps the weights of a fitted encoder"),
        ({"gamma": 0.9}, "gamma: no such size of sasrec; there are dim, dropout"),
        ({"recommender": "a/folder"}, r"got str; Recommender\.load\(folder\) reads"),
        ({"backbone": "lstm"}, "backbone must be one of sasrec"),
        ({"backbone": "caser", "window": 11}, "window=11 items"),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    kwargs: dict[str, Any], message: str, user: TrueTasteUser
) -> None:
    with pytest.raises(SettingError, match=message):
        model_of("ppo", make(user), **kwargs)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [({"backbone": "caser"}, "backbone='caser'.*'sasrec'"), ({"dim": 8}, "dim=8.*16")],
)
def test_settings_that_contradict_the_recommender_are_refused(
    kwargs: dict[str, Any], message: str, fitted: Recommender, user: TrueTasteUser
) -> None:
    with pytest.raises(SettingError, match=message):
        model_of("ppo", make(user), recommender=fitted, **kwargs)


def test_observations_without_a_history_and_other_catalogues_are_refused(
    fitted: Recommender, user: TrueTasteUser
) -> None:
    with pytest.raises(SettingError, match='observation="history" or "both"'):
        model_of("ppo", make(user, "state"))
    with pytest.raises(SettingError, match="the recommender speaks of 40 items"):
        SequenceFeatures(spaces.Box(0, 50, (LENGTH,), np.int64), recommender=fitted)


@pytest.mark.parametrize(
    ("name", "observation", "temperature"),
    [("ppo", "history", 1.0), ("maskable", "history", 0.5), ("maskable", "both", 0.25)],
)
def test_ppo_begins_as_a_fitted_recommender(
    name: str,
    observation: str,
    temperature: float,
    fitted: Recommender,
    user: TrueTasteUser,
    tmp_path: Path,
) -> None:
    algorithm, how = ALGORITHMS[name]
    policy = MaskableItemPolicy if name == "maskable" else ItemPolicy
    more = user.item_vectors if observation == "both" else None
    begun = begin_with(fitted, temperature=temperature, item_vectors=more)
    env = make(user, observation)
    model = algorithm(policy, env, policy_kwargs=begun, **how)
    histories = [[3], [5, 7, 1], list(range(LENGTH))]
    scores = torch.from_numpy(fitted.score([np.array(history) for history in histories]))
    expected = (scores / temperature).softmax(dim=1)
    seen: Any = padded(histories, LENGTH)
    if observation == "both":
        states = np.stack([env.observation_space["state"].sample() for _ in histories])
        seen = {"history": seen, "state": torch.from_numpy(states)}

    def probabilities() -> torch.Tensor:
        model.policy.set_training_mode(False)
        return model.policy.get_distribution(seen).distribution.probs

    torch.testing.assert_close(probabilities(), expected)
    model.learn(64)
    learned = probabilities()
    assert not torch.allclose(learned, expected)
    model.save(tmp_path / "model")
    model = algorithm.load(tmp_path / "model")
    torch.testing.assert_close(probabilities(), learned)


def test_a_frozen_recommender_goes_on_above_its_encoder(
    fitted: Recommender, user: TrueTasteUser
) -> None:
    _, how = ALGORITHMS["ppo"]
    model = sb3.PPO(ItemPolicy, make(user), policy_kwargs=begin_with(fitted, freeze=True), **how)
    before, map_before = weights_of(model), model.policy.action_net.query.weight.clone()
    model.learn(64)
    assert same(before, weights_of(model))
    assert not torch.equal(map_before, model.policy.action_net.query.weight)


def test_what_cannot_begin_as_a_recommender_is_refused(
    fitted: Recommender, user: TrueTasteUser, tiny: Callable[..., RecommenderConfig]
) -> None:
    more = {"net_arch": {"pi": [8], "vf": [8]}}
    with pytest.raises(SettingError, match=r"begins as a fitted recommender.*leave the layers"):
        sb3.PPO(ItemPolicy, make(user), policy_kwargs={**begin_with(fitted), **more})
    with pytest.raises(SettingError, match="temperature must be a finite number"):
        begin_with(fitted, temperature=0.0)
    with pytest.raises(SettingError, match=r"item_vectors must be finite and of shape \(40, d\)"):
        begin_with(fitted, item_vectors=np.zeros((39, 3)))
    fused = Recommender(tiny(state=True, state_to="fused", epochs=1))
    fused.fit(user.world.log, user)
    with pytest.raises(SettingError, match="begin with one that serves alone"):
        begin_with(fused)
    with pytest.raises(SettingError, match="got str"):
        begin_with("a/folder")  # type: ignore[arg-type]
