"""A reward learned from instructions and purchases, without a look at the goal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import llmrec_env
from agents.shop.reward.language_reward import LanguageReward
from agents.shop.reward.learning import RewardLearningConfig, fit_language_reward
from agents.shop.reward.model import (
    MarkedText,
    RewardModel,
    RewardModelConfig,
    marked_texts,
    purchase_text,
    shared_words,
)
from agents.shop.reward.purchases import (
    KINDS,
    JudgedPurchase,
    agreement,
    judged_purchases,
    rollout_purchases,
    success_threshold,
)
from agents.shop.rollouts import collect_rollouts
from agents.shop.scripted import Oracle
from agents.shop.shop_pool import shop_of
from llmrec_env.common.errors import DataError, LLMRecError, SettingError
from llmrec_env.envs.shop.catalogue.products import Product, ProductCatalogue
from llmrec_env.envs.shop.goals import NO_LIMIT, Goal
from llmrec_env.envs.shop.reward import Purchase
from llmrec_env.language.lm.small_model import SmallModelConfig

gym.register_envs(llmrec_env)

TINY = SmallModelConfig(
    hidden_size=32,
    layers=1,
    heads=2,
    kv_heads=1,
    intermediate_size=64,
    vocabulary=512,
    min_steps=4,
    max_steps=4,
)
SHORT = RewardLearningConfig(steps=120, evaluate_every=40, learning_rate=4e-3, hits=2)
MUG = Product(
    "B1",
    "Large Blue Mug",
    "Holds much.",
    ("dishwasher safe",),
    options={"size": ("small", "large")},
)


@pytest.fixture(scope="module")
def settings(small_catalogue: ProductCatalogue) -> dict[str, Any]:
    return {"catalogue": small_catalogue, "goals_per_product": 2}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def rule(settings: dict[str, Any], cache: Path) -> LanguageReward:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLMREC_CACHE", str(cache))
        return fit_language_reward(settings, learning=SHORT, small=TINY)


@pytest.fixture(scope="module")
def held_out(settings: dict[str, Any]) -> list[JudgedPurchase]:
    return judged_purchases(shop_of({**settings, "split": "test"}))


def predictions(rule: LanguageReward, judged: list[JudgedPurchase]) -> Any:
    return rule.predict([one.instruction for one in judged], [one.purchase for one in judged])


def test_it_agrees_with_the_shop_on_products_that_it_never_met(
    rule: LanguageReward, held_out: list[JudgedPurchase]
) -> None:
    found = rule.agreement(held_out)
    assert found.spearman > 0.6
    assert found.pairs > 0.75
    assert rule.record["validation"]["n"] > 50


def test_it_reads_the_instruction_and_the_purchase_alone(
    rule: LanguageReward, settings: dict[str, Any]
) -> None:
    shop = shop_of({**settings, "split": "test"})
    goal = shop.goals[0]
    purchase = Purchase(shop.inventory.catalogue[3], {}, 12.0)
    verdict = rule(goal, purchase)
    stranger = Goal("", -1, "", "", "", "", goal.instruction, ("other",), {"a": "b"}, NO_LIMIT)
    assert LanguageReward(rule.model)(stranger, purchase).parts == verdict.parts
    # and of the product nothing that its pages do not show
    bare = replace(purchase.product, attributes=(), query="", instruction="", product_category="")
    seen = LanguageReward(rule.model)(goal, Purchase(bare, {}, 12.0))
    assert seen.parts == verdict.parts


def test_a_sure_prediction_pays_exactly_one_and_no_other_does(
    rule: LanguageReward, held_out: list[JudgedPurchase]
) -> None:
    predicted, chances = predictions(rule, held_out).T
    ranked = np.sort(chances)[len(predicted) // 2 :]
    widest = int(np.diff(ranked).argmax())  # rounding must not decide
    bar = float(ranked[widest : widest + 2].mean())
    sure, never = LanguageReward(rule.model, bar), LanguageReward(rule.model)
    goal = Goal("", -1, "", "", "", "", "", ())
    for one, value, chance in zip(held_out, predicted, chances, strict=True):
        asked = replace(goal, instruction=one.instruction)
        reward = sure(asked, one.purchase).reward
        assert reward == (1.0 if chance >= bar else pytest.approx(value, abs=1e-5))
        assert never(asked, one.purchase).reward < 1.0
    with pytest.raises(SettingError, match=r"threshold must lie in \(0, 1\]"):
        LanguageReward(rule.model, 1.5)


def test_a_special_token_in_a_title_is_text(rule: LanguageReward) -> None:
    steered = replace(MUG, name="Mug </s> <s> <pad> blue")
    read = rule.model.read("a blue mug", Purchase(steered, {}, 5.0))
    assert not set(rule.model.tokenizer.all_special_ids) & set(read.ids.tolist())
    assert "</s> <s> <pad>" in rule.model.tokenizer.decode(read.ids)


def test_it_takes_the_place_of_the_shops_reward(
    rule: LanguageReward, settings: dict[str, Any]
) -> None:
    env = gym.make("LLMRec/Shop-v0", reward=rule, split="test", **settings)
    assert env.unwrapped.shop.rule is rule
    ruled = {**settings, "split": "test", "reward": rule}
    rollouts = collect_rollouts(Oracle(env.unwrapped.shop), ruled, range(5))
    assert {rollout.success for rollout in rollouts} <= {True, False}
    env.reset(options={"goal": 0})
    for action in rollouts[0].actions:
        _, reward, terminated, _, info = env.step(action)
    assert terminated
    assert reward == rollouts[0].reward
    assert list(info["rewards"]) == ["language"]
    assert info["success"] == (reward == 1.0)


def test_saved_and_loaded_it_says_the_same(
    rule: LanguageReward, held_out: list[JudgedPurchase], tmp_path: Path
) -> None:
    rule.save(tmp_path / "rule")
    again = LanguageReward.load(tmp_path / "rule")
    np.testing.assert_allclose(predictions(again, held_out), predictions(rule, held_out), atol=1e-5)
    assert (again.threshold, again.record) == (rule.threshold, rule.record)
    assert again.model.config == rule.model.config
    assert not any(
        "tmp" in text for text in (tmp_path / "rule" / "config.json").read_text().split()
    )
    for name in ("config.json", "weights.safetensors"):
        rule.save(tmp_path / "broken")
        (tmp_path / "broken" / name).write_text("{}")
        with pytest.raises(DataError, match="broken: no language reward"):
            LanguageReward.load(tmp_path / "broken")
    with pytest.raises(DataError, match="expected what LanguageReward"):
        LanguageReward.load(tmp_path / "absent")


def test_lora_beside_a_named_model(
    rule: LanguageReward, settings: dict[str, Any], held_out: list[JudgedPurchase], tmp_path: Path
) -> None:
    rule.save(tmp_path / "small")  # any folder of a causal LM does
    folder = tmp_path / "small" / "base_model"
    learning = replace(SHORT, steps=4, evaluate_every=2, hits=0, validation=32)
    adapted = fit_language_reward(settings, folder, learning=learning)
    learned = {name for name, p in adapted.model.named_parameters() if p.requires_grad}
    assert {name for name in learned if "lora" not in name} == {
        "mark.weight",
        "head.weight",
        "head.bias",
    }
    adapted.save(tmp_path / "adapted")
    again = LanguageReward.load(tmp_path / "adapted")
    np.testing.assert_allclose(
        predictions(again, held_out), predictions(adapted, held_out), atol=1e-5
    )
    with pytest.raises(LLMRecError, match="no causal language model can be loaded"):
        fit_language_reward(settings, tmp_path / "absent", learning=learning)


@pytest.mark.realdata
@pytest.mark.slow
def test_lora_beside_a_pretrained_model(
    settings: dict[str, Any], held_out: list[JudgedPurchase], shared_models: Path
) -> None:
    learning = replace(SHORT, steps=60, evaluate_every=30, batch_size=16, validation=64)
    folder = shared_models / "stories260k"
    adapted = fit_language_reward(settings, folder, learning=learning)
    found = adapted.agreement(held_out)
    assert found.spearman > 0.4, found


def test_a_killed_run_is_continued(
    settings: dict[str, Any], cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMREC_CACHE", str(cache))
    settings = {**settings, "goals_per_product": 1}
    learning = replace(SHORT, steps=8, evaluate_every=4, hits=0, validation=32)
    whole = fit_language_reward(settings, learning=learning, small=TINY)
    reads = RewardModelConfig(max_tokens=8)
    with pytest.raises(SettingError, match=r"max_tokens must lie in \[16, 1024\], got 8"):
        fit_language_reward(settings, config=reads, learning=learning, small=TINY)
    steps: list[int] = []
    forward = RewardModel.forward

    def dying(self: RewardModel, readings: Any) -> Any:
        steps.extend([1] * self.training)
        if len(steps) == 6:
            raise KeyboardInterrupt
        return forward(self, readings)

    monkeypatch.setattr(RewardModel, "forward", dying)
    with pytest.raises(KeyboardInterrupt):
        fit_language_reward(settings, learning=learning, small=TINY, checkpoint=tmp_path / "run")
    assert (tmp_path / "run" / "state.safetensors").exists()
    again = fit_language_reward(
        settings, learning=learning, small=TINY, checkpoint=tmp_path / "run"
    )
    assert len(steps) == 6 + 4, "four steps were kept"
    for one, other in zip(whole.model.parameters(), again.model.parameters(), strict=True):
        np.testing.assert_allclose(one.detach(), other.detach(), atol=1e-6)
    assert not (tmp_path / "run").exists()


def test_what_is_bought_for_a_goal(settings: dict[str, Any]) -> None:
    shop = shop_of(settings)
    judged = judged_purchases(shop, range(20), seed=1)
    assert judged == judged_purchases(shop, range(20), seed=1)
    assert {one.kind for one in judged} == set(KINDS)
    assert all(one.reward == 1.0 for one in judged if one.kind == "perfect")
    assert all(one.reward < 1.0 for one in judged if one.kind == "one wrong option")
    goals = {goal.instruction: goal for goal in shop.goals}
    for one in judged:
        assert shop.rule(goals[one.instruction], one.purchase).reward == one.reward


def test_what_rollouts_bought(settings: dict[str, Any]) -> None:
    shop = shop_of(settings)
    rollouts = collect_rollouts(Oracle(shop), settings, range(4))
    left = replace(rollouts[0], actions=rollouts[0].actions[:-1])
    judged = rollout_purchases([*rollouts, left], settings)
    assert [one.reward for one in judged] == [rollout.reward for rollout in rollouts]
    for one, goal in zip(judged, shop.goals, strict=False):
        assert one.purchase.product.asin == one.asin == goal.asin
        assert dict(one.purchase.options) == goal.options


def test_marks_say_where_words_stand_in_both() -> None:
    asked = "find me dishwasher-safe mugs with size: large, and price lower than 20.00 dollars"
    bought, said = marked_texts(asked, Purchase(MUG, {"size": "large"}, 12.5))
    assert bought.text == purchase_text(Purchase(MUG, {"size": "large"}, 12.5))
    assert bought.text.startswith(" title: large blue mug, size: large, price: 12.50 dollars")

    def marked(text: MarkedText, mark: int) -> list[str]:
        letters = zip(text.text, text.marks[:, mark], strict=True)
        return "".join(c if on else " " for c, on in letters).split()

    assert marked(bought, 0) == ["large", "mug", "size", "large", "dishwasher", "safe"]
    assert marked(said, 1) == ["mugs", "large"]
    assert marked(said, 2) == ["large"]
    assert marked(said, 3) == []
    assert marked(said, 4) == ["dishwasher", "safe", "mugs", "large"]
    assert marked(bought, 5) == [",", "price:", "12.50", "dollars"]
    dear, left = marked_texts(asked, Purchase(MUG, {}, 30.0))
    assert marked(left, 3) == ["large"]
    assert marked(dear, 6) == [",", "price:", "30.00", "dollars"]
    assert shared_words("large dishwasher", Purchase(MUG, {}, 1.0)) == 1.0
    assert shared_words("red mug", Purchase(MUG, {}, 1.0)) == 0.5
    assert shared_words("", Purchase(MUG, {}, 1.0)) == 0.0


def test_the_threshold_is_the_lowest_that_is_precise_enough() -> None:
    predicted = np.array([0.9, 0.8, 0.8, 0.6, 0.5, 0.1], dtype=np.float32)
    rewards = np.array([1.0, 1.0, 0.5, 1.0, 0.2, 0.0])
    bar, told = success_threshold(predicted, rewards, 0.75)
    assert (bar, told["precision"], told["recall"]) == (pytest.approx(0.6), 0.75, 1.0)
    # equal predictions stand or fall together
    bar, told = success_threshold(predicted, rewards, 1.0)
    assert (bar, told["recall"]) == (pytest.approx(0.9), pytest.approx(1 / 3))
    assert success_threshold(predicted, 0 * rewards, 0.5)[0] is None
    with pytest.raises(SettingError, match="precision must lie in"):
        success_threshold(predicted, rewards, 0.0)


def test_agreement_of_scores_known_by_hand() -> None:
    def one(instruction: str, reward: float) -> JudgedPurchase:
        return JudgedPurchase(instruction, Purchase(MUG, {}, 1.0), reward, KINDS[0], "B1")

    judged = [one("a", 1.0), one("a", 0.5), one("b", 0.0), one("b", 1.0)]
    assert agreement(np.array([3, 2, 1, 4]), judged).auc == 1.0
    found = agreement(np.array([1.0, 1.0, 2.0, 1.5]), judged)
    assert (found.auc, found.pairs) == (pytest.approx((0.5 + 0 + 1 + 0) / 4), 0.25)
    assert (found.n, found.n_success) == (4, 2)
