"""Imitation, DPO and PPO: that they learn what they say, and go on where they were killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agents.shop.behavior_cloning import ImitationConfig, imitate
from agents.shop.causal_lm import CausalLMConfig
from agents.shop.compact import CompactConfig, CompactPolicy
from agents.shop.dpo import PreferenceConfig, gather_pairs, prefer, preference_loss
from agents.shop.evaluation import evaluate_shopper
from agents.shop.oracle import Oracle
from agents.shop.pipeline import ShopTraining, load_policy, train_shopper, trained_in
from agents.shop.ppo import PPOConfig, live, ppo
from agents.shop.rollouts import Decision, collect_rollouts, replay
from agents.shop.shop_pool import ShopPool
from agents.shop.trl import FineTuneConfig, PreferConfig
from llmrec_env.common.errors import DataError, LLMRecError, SettingError
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
def imitator(decisions: list[Decision]) -> CompactPolicy:
    policy = CompactPolicy(SMALL)
    imitate(policy, decisions, ImitationConfig(epochs=40))
    return policy.eval()


def weights(policy: CompactPolicy) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in policy.parameters()])


def copy_of(policy: CompactPolicy) -> CompactPolicy:
    copied = CompactPolicy(policy.config)
    copied.load_state_dict(policy.state_dict())
    return copied.eval()


def test_imitation_makes_the_decisions_likely(
    imitator: CompactPolicy, decisions: list[Decision], settings: dict[str, Any]
) -> None:
    def likelihood(policy: CompactPolicy) -> float:
        log_probs, _ = policy([one.sight for one in decisions])
        chosen = torch.tensor([[one.action] for one in decisions])
        return log_probs.detach().gather(1, chosen).exp().mean().item()

    assert likelihood(imitator) > 2 * likelihood(CompactPolicy(SMALL).eval())
    held_out = {**settings, "split": "test"}
    untrained = evaluate_shopper(CompactPolicy(SMALL).eval(), held_out)
    assert evaluate_shopper(imitator, held_out).success.mean > untrained.success.mean + 20.0


def test_no_rollouts_are_refused() -> None:
    with pytest.raises(SettingError, match="no decision"):
        imitate(CompactPolicy(SMALL), [])


def test_the_preference_loss_is_the_published_one() -> None:
    log_probs = torch.tensor([[0.5, 0.3, 0.2]]).log()
    reference = torch.tensor([[0.2, 0.7, 0.1]]).log()
    a, b = torch.tensor([0]), torch.tensor([1])
    margin = np.log(0.5 / 0.2) - np.log(0.3 / 0.7)
    expected = -np.log(1.0 / (1.0 + np.exp(-0.7 * margin)))
    assert preference_loss(log_probs, reference, a, b, 0.7).item() == pytest.approx(expected)
    assert preference_loss(reference, reference, a, b, 0.7).item() == pytest.approx(np.log(2.0))


def test_pairs_come_from_the_policys_own_states(
    imitator: CompactPolicy, settings: dict[str, Any]
) -> None:
    """Also from pages where the oracle, alone, would never have come."""
    crowd = ShopPool(settings, "features", size=20)
    pairs = gather_pairs(imitator, crowd, range(20), np.random.default_rng(0))
    assert all(pair.preferred != pair.rejected for pair in pairs)
    back = [pair for pair in pairs if pair.sight.actions[pair.preferred] == "click[< prev]"]
    assert back


def test_preferring_raises_the_preferred_over_the_rejected(
    imitator: CompactPolicy, settings: dict[str, Any]
) -> None:
    policy = copy_of(imitator)
    prefer(policy, settings, range(20), PreferenceConfig(rounds=2, steps=60, episodes=20))
    crowd = ShopPool(settings, "features", size=20)
    pairs = gather_pairs(imitator, crowd, range(20), np.random.default_rng(5))

    def margin(p: CompactPolicy) -> float:
        log_probs, _ = p([pair.sight for pair in pairs])
        rows = torch.arange(len(pairs))
        gains = [log_probs[rows, [getattr(pair, which) for pair in pairs]] for which in NAMES]
        return (gains[0] - gains[1]).mean().item()

    assert margin(policy) > margin(imitator) + 0.5


def test_ppo_earns_more_than_it_began_with(
    imitator: CompactPolicy, settings: dict[str, Any]
) -> None:
    policy = copy_of(imitator)

    def earned(p: CompactPolicy) -> float:
        return float(evaluate_shopper(p, settings, range(100), sample_seed=0).rewards.mean())

    ppo(policy, settings, PPOConfig(iterations=8, episodes=64, entropy=0.0))
    assert earned(policy) > earned(imitator) + 0.05


def test_experience_is_whole_episodes_with_returns_of_their_rewards(
    imitator: CompactPolicy, settings: dict[str, Any]
) -> None:
    crowd = ShopPool(settings, "features", size=8)
    lived = live(imitator, crowd, range(8), np.random.default_rng(0), gae=1.0)
    # with lambda 1 and no discount the return of each step is the reward at the end
    assert ((lived.returns > -1e-5) & (lived.returns < 1.0 + 1e-5)).all()
    assert lived.advantages.mean().item() == pytest.approx(0.0, abs=1e-5)
    log_probs, _ = imitator(lived.sights)
    again = log_probs.gather(1, lived.actions[:, None]).squeeze(1)
    torch.testing.assert_close(again, lived.log_probs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("stage", ["dpo", "ppo"])
def test_a_killed_run_goes_on_as_if_nothing_had_happened(
    stage: str, imitator: CompactPolicy, settings: dict[str, Any], tmp_path: Path
) -> None:
    class Killed(Exception):
        pass

    def learn(policy: CompactPolicy, folder: Path | None, evaluate: Any) -> None:
        common = {"folder": folder, "evaluate": evaluate}
        if stage == "dpo":
            config = PreferenceConfig(rounds=3, steps=5, episodes=10)
            prefer(policy, settings, range(10), config, **common)
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
    whole = copy_of(imitator)
    learn(whole, None, lambda: {"success": float(next(steady))})
    with pytest.raises(Killed):
        learn(copy_of(imitator), tmp_path / "run", killing)
    resumed, later = copy_of(imitator), iter(range(3, 100))
    learn(resumed, tmp_path / "run", lambda: {"success": float(next(later))})
    torch.testing.assert_close(weights(resumed), weights(whole), atol=0.0, rtol=0.0)


def test_stages_are_kept_shared_and_refused_with_other_settings(tmp_path: Path) -> None:
    short = {
        "settings": {"catalogue": 120, "goals_per_product": 2},
        "rollouts": 10,
        "compact": SMALL,
        "imitation": ImitationConfig(epochs=2, validations=1),
        "dpo": PreferenceConfig(rounds=1, steps=2, episodes=10),
        "ppo": PPOConfig(iterations=1, episodes=8, validations=1),
        "validation_goals": 8,
    }
    training = ShopTraining(stages=("imitation", "dpo"), **short)
    assert ShopTraining.from_json(training.to_json()) == training
    policy, folder = train_shopper(training, tmp_path)
    assert folder == tmp_path / "imitation+dpo"
    assert not list(folder.glob("checkpoint*"))
    written = (tmp_path / "imitation" / "stage.json").stat().st_mtime_ns
    train_shopper(ShopTraining(stages=("imitation", "ppo"), **short), tmp_path)
    assert (tmp_path / "imitation" / "stage.json").stat().st_mtime_ns == written
    torch.testing.assert_close(weights(load_policy(folder)), weights(policy))
    assert trained_in(folder) == short["settings"]
    with pytest.raises(LLMRecError, match=r"other settings \(rollouts\)"):
        train_shopper(ShopTraining(stages=("imitation",), **{**short, "rollouts": 9}), tmp_path)
    with pytest.raises(
        DataError, match=r"no finished stage .*it holds these: imitation, imitation\+dpo"
    ):
        trained_in(tmp_path)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"stages": ("imitation", "magic")}, "magic"),
        ({"teacher": "parrot"}, "parrot"),
        ({"rollouts": 0}, "one rollout"),
    ],
)
def test_bad_settings_are_named(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        ShopTraining(**wrong)


@pytest.mark.realdata
@pytest.mark.slow
def test_a_causal_lm_goes_through_the_same_stages(stories: Path, tmp_path: Path) -> None:
    """Imitation and DPO through TRL, PPO through the loop of the compact policy."""
    pytest.importorskip("trl")
    training = ShopTraining(
        settings={"catalogue": 100, "goals_per_product": 1},
        stages=("imitation", "dpo", "ppo"),
        rollouts=2,
        base_model=str(stories),
        causal_lm=CausalLMConfig(prompt_tokens=128, rank=2),
        fine_tuning=FineTuneConfig(epochs=1, batch_size=4, at_once=4),
        lm_dpo=PreferConfig(batch_size=4, at_once=4),
        ppo=PPOConfig(iterations=1, episodes=2, epochs=1, batches=1, validations=1),
        validation_goals=2,
    )
    policy, folder = train_shopper(training, tmp_path)
    sights = [ShopPool({"catalogue": 100}, policy.observation).begin(0, 0)]
    before, _ = policy(sights)
    after, _ = load_policy(folder)(sights)
    torch.testing.assert_close(before, after, atol=1e-4, rtol=1e-4)


def test_ppo_learns_from_a_rule_in_place_of_the_shops_reward(
    imitator: CompactPolicy, settings: dict[str, Any]
) -> None:
    """A rule that likes what is cheap makes the policy buy what is cheaper."""

    def cheap(goal: Goal, purchase: Purchase) -> Verdict:
        return Verdict(max(0.0, 1.0 - purchase.price / 50.0), {})

    policy, liked = copy_of(imitator), {**settings, "reward": cheap}
    ppo(policy, liked, PPOConfig(iterations=6, episodes=64, entropy=0.0))
    earned = [
        evaluate_shopper(p, liked, range(80), sample_seed=0).score.mean for p in (imitator, policy)
    ]
    assert earned[1] > earned[0] + 3.0
