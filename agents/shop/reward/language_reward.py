"""``LanguageReward``: a shop reward predicted by a language model from instruction and purchase.

The shop's own reward knows the goal's attributes and options. A shop that takes instructions from
people does not; there, a model that was shown purchases and their worth says what a purchase earns.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from agents.shop.reward.model import RewardModel, RewardModelConfig
from agents.shop.reward.purchases import Agreement, JudgedPurchase, agreement
from llmrec_env.common.arrays import FloatArray
from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.common.files import atomic_path, local_path
from llmrec_env.common.saved_folder import read_described, write_described
from llmrec_env.common.tensor_files import read_finite
from llmrec_env.envs.shop.goals import Goal
from llmrec_env.envs.shop.reward import Purchase, Verdict
from llmrec_env.language.lm.pretrained import load_base_model, quiet_transformers
from llmrec_env.language.lm.saving import COPY_BASE_BELOW

FORMAT = 1
BATCH = 64
"""Pairs read at once when nothing is learned."""
KEPT = 65_536
"""Judgements kept; the oldest goes first."""
UNREADABLE = (OSError, ValueError, KeyError, TypeError, RuntimeError)
"""What reading a broken folder raises."""


class LanguageReward:
    """A :class:`llmrec_env.envs.shop.reward.RewardRule` for ``gym.make(..., reward=rule)``.

    Of a goal it reads the instruction, never attributes or options. A probability of success of at
    least ``threshold`` gives exactly 1, which the environment calls success. Each pair of
    instruction and purchase is read once.

    Args:
        model: reads pairs.
        threshold: in (0, 1], None: nothing is a success; see
            :func:`agents.shop.reward.purchases.success_threshold`.
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
        read = dict(zip(new, self._read(pairs), strict=True))
        predicted = [read[key] if key in read else self._known[key] for key in keys]
        for key, value in read.items():
            if len(self._known) >= KEPT:
                del self._known[next(iter(self._known))]
            self._known[key] = value
        return np.array(predicted, dtype=np.float32).reshape(-1, 2)

    def agreement(self, judged: Sequence[JudgedPurchase]) -> Agreement:
        """How the predictions agree with the shop's reward."""
        predicted = self.predict(
            [one.instruction for one in judged], [one.purchase for one in judged]
        )
        return agreement(predicted[:, 0], judged, predicted[:, 1])

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write ``config.json``, ``weights.safetensors`` and ``base_model/``; whole or not at all.

        A pretrained model of 50 million parameters or more is saved by its name.
        """
        model = self.model
        whole, base = model.config.lora_rank == 0, model.backend.base_model
        copied = whole or model.name is None or base.num_parameters() < COPY_BASE_BELOW
        with atomic_path(folder) as temporary, quiet_transformers():
            temporary.mkdir()
            if copied and not whole:  # without the adapters that stand in it
                base = load_base_model(_named(model.name))[0]
            if copied:
                base.save_pretrained(temporary / "base_model")
                model.tokenizer.save_pretrained(temporary / "base_model")
            save_file(_own_tensors(model), temporary / "weights.safetensors")
            described = {
                "format": FORMAT,
                "base_model": None if copied else model.name,
                "config": asdict(model.config),
                "threshold": self.threshold,
                "record": self.record,
            }
            write_described(temporary, described)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> LanguageReward:
        """Read what :meth:`save` wrote.

        Raises:
            DataError: the folder holds no language reward, or one of another version.
        """
        folder = local_path(folder, "reward model")
        try:
            saved = read_described(folder)
            if saved["format"] != FORMAT:
                raise ValueError(f"format {saved['format']!r}, this version reads {FORMAT}")
            config = RewardModelConfig(**saved["config"])
            tensors = read_finite(folder / "weights.safetensors")
            name = saved["base_model"] or str(folder / "base_model")
            base, tokenizer = load_base_model(name)
            model = RewardModel(base, tokenizer, config, name)
            if set(tensors) != set(_own_tensors(model)):
                raise ValueError("the weights are those of another model")
            model.load_state_dict(tensors, strict=False)
            return cls(model, saved["threshold"], saved["record"])
        except UNREADABLE as error:
            raise DataError(
                f"{folder}: no language reward ({error}); expected what LanguageReward.save wrote"
            ) from None

    @torch.inference_mode()
    def _read(self, pairs: Sequence[tuple[str, Purchase]]) -> list[tuple[float, float]]:
        readings = [self.model.read(*pair) for pair in pairs]
        order = np.argsort([len(one.ids) for one in readings], kind="stable")
        predicted = np.zeros((len(pairs), 2), dtype=np.float32)
        for start in range(0, len(pairs), BATCH):
            rows = order[start : start + BATCH]
            logits = self.model([readings[row] for row in rows])
            predicted[rows] = torch.sigmoid(logits).cpu().numpy()
        return [(reward, success) for reward, success in predicted.tolist()]


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
