"""Behaviour cloning, DPO and PPO learn what they say, and go on where they were killed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agents.shop.behavior_cloning import BehaviorCloningConfig, behavior_cloning
from agents.shop.causal_lm import CausalLMConfig
from agents.shop.compact import CompactConfig, CompactPolicy
from agents.shop.dpo import DPOConfig, dpo, dpo_loss, gather_pairs
from agents.shop.estimate import ShopEstimate
from agents.shop.evaluation import evaluate_shopper
from agents.shop.fine_tuning import FineTuningConfig
from agents.shop.pipeline import ShopTraining, load_policy, train_shopper, trained_in
from agents.shop.ppo import PPOConfig, live, ppo
from agents.shop.rollouts import Decision, collect_rollouts, replay
from agents.shop.scripted import FirstHit, Oracle
from agents.shop.shop_pool import ShopPool, as_read_by
from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.common.files import write_json
from llmrec_env.envs.shop.catalogue.products import ProductCatalogue
from llmrec_env.envs.shop.goals import Goal
from llmrec_env.envs.shop.reward import Purchase, Verdict

pytest.importorskip("bm25s")
SMALL = CompactConfig(width=32)
NAMES = ("preferred", "rejected")


@pytest.fixture(scope="module")
def settings(small_catalogue: ProductCatalogue) -> dict[str, Any]:
    return {"catalogue": small_catalogue, "goals_per_product": 3, "split": "train"}


@pytest.fixture(scope="module")
def decisions(settings: dict[str, Any]) -> list[Decision]:
    oracle = Oracle(ShopPool(settings).shop)
    return list(replay(collect_rollouts(oracle, settings, range(60)), settings, "features"))


@pytest.fixture(scope="module")
def cloned(decisions: list[Decision]) -> CompactPolicy:
    policy = CompactPolicy(SMALL)
    behavior_cloning(policy, decisions, BehaviorCloningConfig(epochs=40))
    return policy.eval()


def weights(policy: CompactPolicy) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in policy.parameters()])


def copy_of(policy: CompactPolicy) -> CompactPolicy:
    copied = CompactPolicy(policy.config)
    copied.load_state_dict(policy.state_dict())
    return copied.eval()


@pytest.mark.parametrize("name", ["epochs", "validations"])
def test_a_training_that_cannot_be_is_refused(
    name: str, decisions: list[Decision], settings: dict[str, Any]
) -> None:
    policy, nothing = CompactPolicy(SMALL), {name: 0}
    with pytest.raises(SettingError, match=f"{name} must be a whole number of at least 1"):
        behavior_cloning(policy, decisions, BehaviorCloningConfig(**nothing))
    with pytest.raises(SettingError, match=f"{name} must be a whole number of at least 1"):
        ppo(policy, settings, PPOConfig(**nothing))
    with pytest.raises(SettingError, match="no decision to learn from"):
        behavior_cloning(policy, [])


def test_behavior_cloning_makes_the_decisions_likely(
    cloned: CompactPolicy, decisions: list[Decision], settings: dict[str, Any]
) -> None:
    def likelihood(policy: CompactPolicy) -> float:
        log_probs, _ = policy([one.observation for one in decisions])
        chosen = torch.tensor([[one.action] for one in decisions])
        return log_probs.detach().gather(1, chosen).exp().mean().item()

    assert likelihood(cloned) > 2 * likelihood(CompactPolicy(SMALL).eval())
    held_out = {**settings, "split": "test"}
    untrained = evaluate_shopper(CompactPolicy(SMALL).eval(), held_out)
    assert evaluate_shopper(cloned, held_out).success.mean > untrained.success.mean + 20.0


def test_no_rollouts_are_refused() -> None:
    with pytest.raises(SettingError, match="no decision"):
        behavior_cloning(CompactPolicy(SMALL), [])


def test_the_dpo_loss_is_the_published_one() -> None:
    margins, reference = torch.tensor([0.5 / 0.3, 3.0]).log(), torch.tensor([0.2 / 0.7, 3.0]).log()
    gain = np.log(0.5 / 0.2) - np.log(0.3 / 0.7)
    expected = -np.log(1.0 / (1.0 + np.exp(-0.7 * gain)))
    assert dpo_loss(margins, reference, 0.7).tolist() == pytest.approx([expected, np.log(2.0)])


def test_pairs_come_from_the_policys_own_states(
    cloned: CompactPolicy, settings: dict[str, Any]
) -> None:
    """Also from pages where the oracle, alone, would never have come."""
    pool = ShopPool(settings, "features", size=20)
    pairs = gather_pairs(cloned, pool, range(20), np.random.default_rng(0))
    assert all(pair.preferred != pair.rejected for pair in pairs)
    back = [pair for pair in pairs if pair.observation.actions[pair.preferred] == "click[< prev]"]
    assert back
    by_hits = gather_pairs(cloned, pool, range(20), np.random.default_rng(0), FirstHit())
    wanted = {pair.observation.actions[pair.preferred] for pair in by_hits}
    assert "click[buy now]" in wanted
    assert "click[< prev]" not in wanted  # it stays with the product that it opened


def test_preferring_raises_the_preferred_over_the_rejected(
    cloned: CompactPolicy, settings: dict[str, Any]
) -> None:
    policy = copy_of(cloned)
    dpo(policy, settings, range(20), DPOConfig(rounds=2, steps=60, episodes=20))
    pool = ShopPool(settings, "features", size=20)
    pairs = gather_pairs(cloned, pool, range(20), np.random.default_rng(5))

    def margin(p: CompactPolicy) -> float:
        log_probs, _ = p([pair.observation for pair in pairs])
        rows = torch.arange(len(pairs))
        gains = [log_probs[rows, [getattr(pair, which) for pair in pairs]] for which in NAMES]
        return (gains[0] - gains[1]).mean().item()

    assert margin(policy) > margin(cloned) + 0.5


def test_ppo_earns_more_than_it_began_with(cloned: CompactPolicy, settings: dict[str, Any]) -> None:
    policy = copy_of(cloned)

    def earned(p: CompactPolicy) -> float:
        return float(evaluate_shopper(p, settings, range(100), sample_seed=0).rewards.mean())

    ppo(policy, settings, PPOConfig(iterations=8, episodes=64, entropy=0.0))
    assert earned(policy) > earned(cloned) + 0.05


def test_experience_is_whole_episodes_with_returns_of_their_rewards(
    cloned: CompactPolicy, settings: dict[str, Any]
) -> None:
    pool = ShopPool(settings, "features", size=8)
    lived = live(cloned, pool, range(8), np.random.default_rng(0), gae=1.0)
    # with lambda 1 and no discount the return of each step is the reward at the end
    assert ((lived.returns > -1e-5) & (lived.returns < 1.0 + 1e-5)).all()
    assert lived.advantages.mean().item() == pytest.approx(0.0, abs=1e-5)
    log_probs, _ = cloned(lived.observations)
    again = log_probs.gather(1, lived.actions[:, None]).squeeze(1)
    torch.testing.assert_close(again, lived.log_probs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("stage", ["dpo", "ppo"])
def test_a_killed_run_goes_on_as_if_nothing_had_happened(
    stage: str, cloned: CompactPolicy, settings: dict[str, Any], tmp_path: Path
) -> None:
    class Killed(Exception):
        pass

    def learn(policy: CompactPolicy, folder: Path | None, evaluate: Any) -> None:
        common = {"folder": folder, "evaluate": evaluate}
        if stage == "dpo":
            config = DPOConfig(rounds=3, steps=5, episodes=10)
            dpo(policy, settings, range(10), config, **common)
        else:
            config = PPOConfig(iterations=3, episodes=8, validations=3)
            ppo(policy, settings, config, **common)

    calls = 0

    def killing() -> dict[str, float]:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise Killed
        return {"success": float(calls)}

    steady = iter(range(1, 100))
    whole = copy_of(cloned)
    learn(whole, None, lambda: {"success": float(next(steady))})
    with pytest.raises(Killed):
        learn(copy_of(cloned), tmp_path / "run", killing)
    resumed, later = copy_of(cloned), iter(range(3, 100))
    learn(resumed, tmp_path / "run", lambda: {"success": float(next(later))})
    torch.testing.assert_close(weights(resumed), weights(whole), atol=0.0, rtol=0.0)


def test_stages_are_kept_shared_and_refused_with_other_settings(tmp_path: Path) -> None:
    short = {
        "settings": {"catalogue": 120, "goals_per_product": 2},
        "rollouts": 10,
        "compact": SMALL,
        "behavior_cloning": BehaviorCloningConfig(epochs=2, validations=1),
        "dpo": DPOConfig(rounds=1, steps=2, episodes=10),
        "ppo": PPOConfig(iterations=1, episodes=8, validations=1),
        "validation_goals": 8,
    }
    training = ShopTraining(stages=("behavior_cloning", "dpo"), **short)
    assert ShopTraining.from_json(training.to_json()) == training
    policy, folder = train_shopper(training, tmp_path)
    assert folder == tmp_path / "behavior_cloning+dpo"
    assert not list(folder.glob("checkpoint*"))
    written = (tmp_path / "behavior_cloning" / "stage.json").stat().st_mtime_ns
    train_shopper(ShopTraining(stages=("behavior_cloning", "ppo"), **short), tmp_path)
    assert (tmp_path / "behavior_cloning" / "stage.json").stat().st_mtime_ns == written
    torch.testing.assert_close(weights(load_policy(folder)), weights(policy))
    assert trained_in(folder) == short["settings"]
    with pytest.raises(SettingError, match=r"other settings \(rollouts=10 instead of 9\)"):
        train_shopper(
            ShopTraining(stages=("behavior_cloning",), **{**short, "rollouts": 9}), tmp_path
        )
    with pytest.raises(DataError, match=r"it holds these: behavior_cloning, behavior_cloning\+dpo"):
        trained_in(tmp_path)


def test_stages_of_an_earlier_version_are_refused_and_their_policies_load(
    cloned: CompactPolicy, tmp_path: Path
) -> None:
    old = tmp_path / "imitation+dpo"
    cloned.save(old / "policy")
    write_json(old / "stage.json", {"training": {"settings": {"catalogue": 120}}})
    with pytest.raises(SettingError, match="stages of an earlier version"):
        train_shopper(ShopTraining(), tmp_path)
    assert trained_in(old) == {"catalogue": 120}
    torch.testing.assert_close(weights(load_policy(old)), weights(cloned))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"stages": ("behavior_cloning", "magic")}, "magic"),
        ({"teacher": "parrot"}, "teacher must be one of .*'parrot'"),
        ({"dpo_teacher": "parrot"}, "dpo_teacher must be one of .*'parrot'"),
        ({"rollouts": 0}, "one rollout"),
    ],
)
def test_bad_settings_are_named(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        ShopTraining(**wrong)


def test_a_causal_lm_goes_through_the_same_stages(tiny_lm: Path, tmp_path: Path) -> None:
    training = ShopTraining(
        settings={"catalogue": 100, "goals_per_product": 1},
        stages=("sft", "dpo", "ppo"),
        teacher="first-hit",
        dpo_teacher="browser",
        rollouts=2,
        base_model=str(tiny_lm),
        causal_lm=CausalLMConfig(prompt_tokens=256, rank=2),
        fine_tuning=FineTuningConfig(epochs=1, batch_size=4, validations=1),
        lm_dpo=DPOConfig(rounds=1, episodes=2, steps=1, batch_size=2),
        ppo=PPOConfig(iterations=1, episodes=2, epochs=1, batches=1, validations=1),
        validation_goals=1,
    )
    told: list[ShopEstimate] = []
    policy, folder = train_shopper(training, tmp_path, told.append)
    assert folder.name == "behavior_cloning+dpo+ppo"
    assert list(told[0].stages) == ["behavior_cloning", "dpo", "ppo"]
    assert 0 < told[0].seconds < 600
    pool = ShopPool(as_read_by(policy, {"catalogue": 100}), policy.observation)
    observations = [pool.begin(0, 0)]
    before, _ = policy(observations)
    after, _ = load_policy(folder)(observations)
    torch.testing.assert_close(before, after, atol=1e-4, rtol=1e-4)
    train_shopper(training, tmp_path, told.append)  # nothing is left to do, so nothing is told
    other = replace(training, stages=("sft",), lm_dpo=DPOConfig(), ppo=PPOConfig())
    train_shopper(other, tmp_path, told.append)  # SFT is the same, whatever comes after
    assert len(told) == 1
    by_teacher = {path.stem.split("-2-")[0] for path in tmp_path.glob("rollouts-*.json")}
    assert by_teacher == {"rollouts-first-hit", "rollouts-browser"}  # DPO's goals are its teacher's


def test_ppo_learns_from_a_rule_in_place_of_the_shops_reward(
    cloned: CompactPolicy, settings: dict[str, Any]
) -> None:
    """A rule that likes what is cheap makes the policy buy what is cheaper."""

    def cheap(goal: Goal, purchase: Purchase) -> Verdict:
        return Verdict(max(0.0, 1.0 - purchase.price / 50.0), {})

    policy, liked = copy_of(cloned), {**settings, "reward": cheap}
    ppo(policy, liked, PPOConfig(iterations=6, episodes=64, entropy=0.0))
    earned = [
        evaluate_shopper(p, liked, range(80), sample_seed=0).score.mean for p in (cloned, policy)
    ]
    assert earned[1] > earned[0] + 3.0
