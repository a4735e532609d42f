"""Trains a language reward on purchases labelled with the shop's own reward."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor
from torch.nn import functional as F

from agents.shop.reward.language_reward import BATCH, LanguageReward
from agents.shop.reward.model import Reading, RewardModel, RewardModelConfig, purchase_text
from agents.shop.reward.purchases import JudgedPurchase, judged_purchases, success_threshold
from agents.shop.shop_pool import shop_of
from llmrec_env.common.files import fingerprint
from llmrec_env.common.training import TrainingConfig, bucketed_batches, clear_checkpoint, train
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.envs.shop.reward import Purchase
from llmrec_env.evaluation.fidelity import spearman
from llmrec_env.language.lm.pretrained import load_base_model
from llmrec_env.language.lm.small_model import SmallModelConfig, small_base_model

SMALL = SmallModelConfig(hidden_size=64, layers=2, intermediate_size=128)
"""The language model from scratch: 0.2 million parameters."""


@dataclass(frozen=True)
class RewardLearningConfig:
    """What to learn from and how long."""

    steps: int = 800
    """Optimiser steps at most."""
    batch_size: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    hits: int = 3
    """Purchases of other hits for a goal: see
    :func:`agents.shop.reward.purchases.judged_purchases`."""
    evaluate_every: int = 200
    patience: int = 4
    validation: int = 512
    """Validation purchases read at each evaluation, at most."""
    precision: float = 0.85
    """Least share of successes among the validation purchases above the threshold."""
    seed: int = 0


def fit_language_reward(
    settings: Mapping[str, Any],
    base_model: str | os.PathLike[str] | None = None,
    config: RewardModelConfig | None = None,
    learning: RewardLearningConfig | None = None,
    *,
    more: Sequence[JudgedPurchase] = (),
    small: SmallModelConfig = SMALL,
    device: str | torch.device = "cpu",
    checkpoint: str | os.PathLike[str] | None = None,
) -> LanguageReward:
    """Learn a reward from purchases for the training goals; validation goals choose step and bar.

    Args:
        settings: arguments of the environment with the shop's own reward; ``split`` is put aside.
        base_model: a causal LM by hub name or folder, adapted with LoRA; None makes a small one
            from the texts of the shop, all of whose weights learn.
        config: what the model reads.
        learning: how long.
        more: further purchases to learn from, such as those of
            :func:`agents.shop.reward.purchases.rollout_purchases`; of training goals, or the
            validation would be no validation.
        small: sizes of the model from scratch.
        device: where the model learns.
        checkpoint: a folder for checkpoints; a run found there is continued, and cleared at its
            end.

    Raises:
        SettingError: no shop can be opened with these settings, or a size does not fit.
        LLMRecError: the base model cannot be loaded or read so.
    """
    config, learning = config or RewardModelConfig(), learning or RewardLearningConfig()
    learned, checked = (
        judged_purchases(shop_of({**settings, "split": split}), None, learning.hits, learning.seed)
        for split in ("train", "validation")
    )
    learned += more
    if base_model is None:
        config = replace(config, lora_rank=0)
        base, tokenizer = load_base_model(small_base_model(Catalogue(_lines(learned)), small))
    else:
        base, tokenizer = load_base_model(base_model)
    name = None if base_model is None else str(base_model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(learning.seed)  # of the adapters' weights
        model = RewardModel(base, tokenizer, config, name).to(device)
    rng = np.random.default_rng([learning.seed, 78])
    some = rng.permutation(len(checked))[: learning.validation]
    _train(model, learned, [checked[row] for row in some], learning, checkpoint)
    rule = LanguageReward(model)
    predicted = rule.predict(
        [one.instruction for one in checked], [one.purchase for one in checked]
    )
    rewards = np.array([one.reward for one in checked])
    rule.threshold, bar = success_threshold(predicted[:, 1], rewards, learning.precision)
    rule.record = {"validation": asdict(rule.agreement(checked)), "threshold": bar}
    rule.record["learning"] = asdict(learning)
    if checkpoint is not None:
        clear_checkpoint(Path(checkpoint))
    return rule


def _train(
    model: RewardModel,
    learned: Sequence[JudgedPurchase],
    checked: Sequence[JudgedPurchase],
    learning: RewardLearningConfig,
    checkpoint: str | os.PathLike[str] | None,
) -> None:
    device = model.head.weight.device

    def prepared(judged: Sequence[JudgedPurchase]) -> tuple[list[Reading], Tensor]:
        readings = [model.read(one.instruction, one.purchase) for one in judged]
        rewards = [one.reward for one in judged]
        both = [(reward, float(reward == 1.0)) for reward in rewards]
        return readings, torch.tensor(both, dtype=torch.float32, device=device)

    readings, rewards = prepared(learned)
    others, targets = prepared(checked)
    lengths = np.array([len(one.ids) for one in readings])
    batches = bucketed_batches(lengths, learning.batch_size, learning.seed)

    def loss(number: int, rng: np.random.Generator) -> dict[str, Tensor]:
        rows = batches(number)
        logits = model([readings[row] for row in rows])
        return {"reward": 2 * F.binary_cross_entropy_with_logits(logits, rewards[rows])}

    def evaluate() -> dict[str, float]:
        starts = range(0, len(others), BATCH)
        logits = torch.cat([model(others[start : start + BATCH]) for start in starts])
        entropy = 2 * F.binary_cross_entropy_with_logits(logits, targets)
        return {
            "log likelihood": -float(entropy),
            "spearman": spearman(logits[:, 0].cpu().numpy(), targets[:, 0].cpu().numpy()),
        }

    train(
        model,
        loss,
        TrainingConfig(
            steps=learning.steps,
            learning_rate=learning.learning_rate,
            weight_decay=learning.weight_decay,
            evaluate_every=learning.evaluate_every,
            patience=learning.patience,
            seed=learning.seed,
        ),
        evaluate=evaluate,
        metric="log likelihood",
        folder=None if checkpoint is None else Path(checkpoint),
        run=fingerprint([json.dumps(asdict(model.config)), *_texts(learned)]),
        description="language reward",
    )


def _texts(judged: Iterable[JudgedPurchase]) -> list[str]:
    return [f"{one.instruction}|{purchase_text(one.purchase)}|{one.reward}" for one in judged]


def _lines(judged: Sequence[JudgedPurchase]) -> pl.DataFrame:
    """What a small model's words are learned from: each instruction and each product once."""
    texts = {one.instruction: None for one in judged}
    texts |= {purchase_text(Purchase(one.purchase.product, {}, 0.0)): None for one in judged}
    return pl.DataFrame({"item_id": [str(i) for i in range(len(texts))], "text": list(texts)})
