"""A reward learned from language: it reads what was asked for and what was bought, nothing else.

The shop's own reward knows the goal's attributes and options. A shop that takes instructions from
people does not; there, a model that was shown purchases and their worth says what a purchase earns.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from agents.shop.purchases import JudgedPurchase, judged_purchases, open_shop
from agents.shop.reward_model import Reading, RewardModel, RewardModelConfig
from agents.shop.reward_texts import purchase_text
from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.common.files import atomic_path, fingerprint, read_json, write_json
from llmrec_env.common.training import TrainingConfig, bucketed_batches, clear_checkpoint, train
from llmrec_env.data.catalog import Catalog
from llmrec_env.evaluation.fidelity import spearman
from llmrec_env.language.base_models import (
    SmallModelConfig,
    load_base_model,
    quiet_transformers,
    small_base_model,
)
from llmrec_env.shop.goals import Goal
from llmrec_env.shop.reward import Purchase, Verdict

FloatArray = NDArray[np.float32]
FORMAT = 1
BATCH = 64
"""Pairs read at once when nothing is learned."""
KEPT = 65_536
"""Judgements kept; the oldest goes first."""
UNREADABLE = (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError)
"""What reading a broken folder raises."""
COPIED_BELOW = 50_000_000
"""Parameters of a base model that is saved whole; a larger one is saved by name."""
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
    """Purchases of other hits for a goal: see :func:`agents.shop.purchases.judged_purchases`."""
    evaluate_every: int = 200
    patience: int = 4
    validation: int = 512
    """Validation purchases read at each evaluation, at most."""
    precision: float = 0.7
    """Share of successes that is asked of the validation purchases above the threshold."""
    seed: int = 0


@dataclass(frozen=True)
class Agreement:
    """How scores of purchases agree with the shop's reward.

    Attributes:
        spearman: rank correlation over all purchases.
        auc: probability that a success (a reward of 1) scores above another purchase; ties half.
        pairs: share of two purchases for one instruction, with different rewards, that stand in the
            right order; ties half.
        n: purchases; n_success: of them, successes.
    """

    spearman: float
    auc: float
    pairs: float
    n: int
    n_success: int


class LanguageReward:
    """A :class:`llmrec_env.shop.reward.RewardRule` for ``gym.make(..., reward=rule)``.

    Of a goal it reads the instruction, never attributes or options. A probability of success of at
    least ``threshold`` pays exactly 1, which the environment calls success. Each pair of
    instruction and purchase is read once.

    Args:
        model: reads pairs.
        threshold: in (0, 1]; see :func:`success_threshold`. None: nothing is a success.
        record: what was measured when it was learned.
    """

    def __init__(
        self,
        model: RewardModel,
        threshold: float | None = None,
        record: Mapping[str, Any] | None = None,
    ) -> None:
        if threshold is not None and not 0.0 < threshold <= 1.0:
            raise SettingError(f"threshold must lie in (0, 1] or be None, got {threshold!r}")
        self.model = model.eval()
        self.threshold = threshold
        self.record = dict(record or {})
        self._known: dict[tuple[Any, ...], tuple[float, float]] = {}

    def __deepcopy__(self, memo: object) -> LanguageReward:
        return self  # gymnasium copies the arguments of an environment

    def __call__(self, goal: Goal, purchase: Purchase) -> Verdict:
        """Judge a purchase; the one part is ``language``, the reward as predicted."""
        predicted, success = self.predict([goal.instruction], [purchase])[0].tolist()
        certain = self.threshold is not None and success >= self.threshold
        # a float32 close to 1 must not become a success by itself
        reward = 1.0 if certain else min(predicted, float(np.nextafter(np.float32(1), 0)))
        return Verdict(reward, {"language": predicted})

    def predict(self, instructions: Sequence[str], purchases: Sequence[Purchase]) -> FloatArray:
        """Predicted rewards of pairs and probabilities of success, float32 (N, 2) in [0, 1]."""
        keys = [
            (instruction, purchase.product.asin, *sorted(purchase.options.items()), purchase.price)
            for instruction, purchase in zip(instructions, purchases, strict=True)
        ]
        new = {key: place for place, key in enumerate(keys) if key not in self._known}
        pairs = [(instructions[place], purchases[place]) for place in new.values()]
        found = dict(zip(new, self._read(pairs), strict=True))
        said = {key: found[key] if key in found else self._known[key] for key in keys}
        for key, value in found.items():
            if len(self._known) >= KEPT:
                del self._known[next(iter(self._known))]
            self._known[key] = value
        return np.array([said[key] for key in keys], dtype=np.float32).reshape(-1, 2)

    def agreement(self, judged: Sequence[JudgedPurchase]) -> Agreement:
        """How the predictions agree with what the shop pays."""
        predicted = self.predict(
            [one.instruction for one in judged], [one.purchase for one in judged]
        )
        return agreement(predicted[:, 0], judged, predicted[:, 1])

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write ``config.json``, ``weights.safetensors`` and ``base_model/``; whole or not at all.

        A pretrained model of 50 million parameters or more is saved by its name.
        """
        model = self.model
        whole, base = model.config.lora_rank == 0, model.reader.base_model
        copied = whole or model.name is None or base.num_parameters() < COPIED_BELOW
        with atomic_path(folder) as temporary, quiet_transformers():
            temporary.mkdir()
            if copied and not whole:  # without the adapters that stand in it
                base = load_base_model(_named(model.name))[0]
            if copied:
                base.save_pretrained(temporary / "base_model")
                model.tokenizer.save_pretrained(temporary / "base_model")
            save_file(_own_tensors(model), temporary / "weights.safetensors")
            write_json(
                temporary / "config.json",
                {
                    "format": FORMAT,
                    "base_model": None if copied else model.name,
                    "config": asdict(model.config),
                    "threshold": self.threshold,
                    "record": self.record,
                },
            )

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> LanguageReward:
        """Read what :meth:`save` wrote.

        Raises:
            DataError: the folder holds no language reward, or one of another version.
        """
        folder = Path(folder)
        try:
            told = read_json(folder / "config.json")
            if told["format"] != FORMAT:
                raise ValueError(f"format {told['format']!r}, this version reads {FORMAT}")
            config = RewardModelConfig(**told["config"])
            tensors = load_file(folder / "weights.safetensors")
            name = told["base_model"] or str(folder / "base_model")
            base, tokenizer = load_base_model(name)
            model = RewardModel(base, tokenizer, config, name)
            if set(tensors) != set(_own_tensors(model)):
                raise ValueError("the weights are those of another model")
            model.load_state_dict(tensors, strict=False)
            return cls(model, told["threshold"], told["record"])
        except UNREADABLE as error:
            raise DataError(
                f"{folder}: no language reward ({error}); expected what LanguageReward.save wrote"
            ) from None

    @torch.inference_mode()
    def _read(self, pairs: Sequence[tuple[str, Purchase]]) -> list[tuple[float, float]]:
        readings = [self.model.read(*pair) for pair in pairs]
        order = np.argsort([len(one.ids) for one in readings], kind="stable")
        found = np.zeros((len(pairs), 2), dtype=np.float32)
        for start in range(0, len(pairs), BATCH):
            rows = order[start : start + BATCH]
            logits = self.model([readings[row] for row in rows])
            found[rows] = torch.sigmoid(logits).cpu().numpy()
        return [(reward, success) for reward, success in found.tolist()]


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
    show: bool = False,
) -> LanguageReward:
    """Learn a reward from purchases for the training goals; validation goals choose step and bar.

    Args:
        settings: arguments of the environment with the shop's own reward; ``split`` is put aside.
        base_model: a causal LM by hub name or folder, adapted with LoRA; None makes a small one
            from the texts of the shop, all of whose weights learn.
        config: what the model reads.
        learning: how long.
        more: further purchases to learn from, such as those of
            :func:`agents.shop.purchases.rollout_purchases`; of training goals, or the validation
            would be no validation.
        small: sizes of the model from scratch.
        device: where the model learns.
        checkpoint: a folder for checkpoints; a run found there is continued, and cleared at its
            end.
        show: whether to show progress bars.

    Raises:
        SettingError: no shop can be opened with these settings, or a size does not fit.
        LLMRecError: the base model cannot be loaded or read so.
    """
    config, learning = config or RewardModelConfig(), learning or RewardLearningConfig()
    shops = {name: open_shop({**settings, "split": name}) for name in ("train", "validation")}
    learned = judged_purchases(shops["train"], hits=learning.hits, seed=learning.seed, show=show)
    learned += more
    checked = judged_purchases(
        shops["validation"], hits=learning.hits, seed=learning.seed, show=show
    )
    if base_model is None:
        config = RewardModelConfig(**{**asdict(config), "lora_rank": 0})
        lines = _lines(learned)
        folder = small_base_model(Catalog(lines), small, show)
        base, tokenizer = load_base_model(folder)
        name = None
    else:
        base, tokenizer = load_base_model(base_model)
        name = str(base_model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(learning.seed)  # of the adapters' weights
        model = RewardModel(base, tokenizer, config, name).to(device)
    rng = np.random.default_rng([learning.seed, 78])
    some = rng.permutation(len(checked))[: learning.validation]
    _train(model, learned, [checked[row] for row in some], learning, checkpoint, show)
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


def success_threshold(
    predicted: NDArray[np.floating], rewards: NDArray[np.floating], precision: float
) -> tuple[float | None, dict[str, float]]:
    """The lowest prediction above which at least ``precision`` of the purchases are successes.

    Args:
        predicted: (N,), probabilities of success, rewards: (N,), of validation purchases.
        precision: in (0, 1].

    Returns:
        The threshold, or None where no prediction is that certain; and the precision and recall
        that it has on these purchases.
    """
    if not 0.0 < precision <= 1.0:
        raise SettingError(f"precision must lie in (0, 1], got {precision!r}")
    order = np.argsort(-predicted.astype(np.float64), kind="stable")
    ranked, right = predicted[order], (rewards[order] == 1.0).cumsum()
    share = right / np.arange(1, len(right) + 1)
    last = np.append(ranked[1:] != ranked[:-1], True)  # equal predictions stand or fall together
    good = np.flatnonzero(last & (share >= precision) & (ranked > 0.0))
    if not len(good):
        return None, {"precision": 0.0, "recall": 0.0}
    place = int(good[-1])
    recall = float(right[place] / max(1, right[-1]))
    return float(ranked[place]), {"precision": float(share[place]), "recall": recall}


def agreement(
    scores: NDArray[np.generic],
    judged: Sequence[JudgedPurchase],
    successes: NDArray[np.generic] | None = None,
) -> Agreement:
    """How any scores of purchases agree with what the shop pays.

    Args:
        scores: (N,), high for a high reward.
        judged: the purchases.
        successes: (N,), high for a success, where they are not the same.
    """
    frame = pl.DataFrame(
        {
            "score": np.asarray(scores, dtype=np.float64),
            "reward": [one.reward for one in judged],
            "goal": [one.instruction for one in judged],
        }
    )
    success = (frame["reward"] == 1.0).to_numpy()
    n, n_success = len(frame), int(success.sum())
    chances = pl.Series(np.asarray(scores if successes is None else successes, dtype=np.float64))
    ranks = chances.rank().to_numpy()  # ties share their mean rank
    above = ranks[success].sum() - n_success * (n_success + 1) / 2
    frame = frame.with_row_index("row")
    pairs = frame.join(frame, on="goal").filter(pl.col("reward") > pl.col("reward_right"))
    order = (pairs["score"] - pairs["score_right"]).sign().to_numpy()
    return Agreement(
        spearman=spearman(frame["score"].to_numpy(), frame["reward"].to_numpy()),
        auc=float(above / max(1, n_success * (n - n_success))),
        pairs=float((1 + order).mean() / 2) if len(order) else 0.5,
        n=n,
        n_success=n_success,
    )


def _train(
    model: RewardModel,
    learned: Sequence[JudgedPurchase],
    checked: Sequence[JudgedPurchase],
    learning: RewardLearningConfig,
    checkpoint: str | os.PathLike[str] | None,
    show: bool,
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
        show=show,
    )


def _texts(judged: Iterable[JudgedPurchase]) -> list[str]:
    return [f"{one.instruction}|{purchase_text(one.purchase)}|{one.reward}" for one in judged]


def _lines(judged: Sequence[JudgedPurchase]) -> pl.DataFrame:
    """What a small model's words are learned from: each instruction and each product once."""
    texts = {one.instruction: None for one in judged}
    texts |= {purchase_text(Purchase(one.purchase.product, {}, 0.0)): None for one in judged}
    return pl.DataFrame({"item_id": [str(i) for i in range(len(texts))], "text": list(texts)})


def _own_tensors(model: RewardModel) -> dict[str, Tensor]:
    """What learned beside the base model, or beside what is saved of it."""
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if model.config.lora_rank == 0:
        named = {name: p for name, p in named.items() if not name.startswith("reader.")}
    return {name: p.detach().cpu().contiguous().clone() for name, p in named.items()}


def _named(name: str | None) -> str:
    if name is None:
        raise SettingError(
            "this base model came from no named place, and its adapters stand in it: name a folder "
            "or hub model, or learn all its weights with lora_rank=0"
        )
    return name
