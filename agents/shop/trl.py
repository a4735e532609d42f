"""Fine-tunes causal LM policies of the shop with TRL: supervised, and by DPO.

Checkpoints are those of transformers' Trainer: adapters as safetensors, and beside them optimiser,
schedule and random states as torch files, which are read with ``weights_only=True``, so that no
code can come out of them. ``training_args.bin`` is written by it and never read.
"""

from __future__ import annotations

import contextlib
import random
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from agents.shop.causal_lm import CausalLMPolicy
from agents.shop.dpo import Pair
from agents.shop.rollouts import Decision
from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.common.extras import require
from llmrec_env.common.files import fingerprint, local_path
from llmrec_env.common.locks import unlock_folder
from llmrec_env.common.progress import progress_bar
from llmrec_env.common.run_folder import RunFolder

TRAINER = "trainer"
"""What belongs to the trainer alone, who removes old checkpoints there."""
Rows = list[dict[str, list[int]]]
History = list[dict[str, float]]


@dataclass(frozen=True)
class FineTuneConfig:
    """How long and how fast to learn from demonstrations."""

    epochs: int = 3
    """Passes over the decisions."""
    batch_size: int = 16
    """Decisions a step."""
    at_once: int = 16
    """Decisions of a step that are computed at once: fewer take less memory."""
    learning_rate: float = 1e-3
    """AdamW's peak; it rises over the first ``warmup`` of the steps and falls as a cosine."""
    warmup: float = 0.05
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    """Largest norm of the gradient."""
    save_every: int = 100
    """Steps between two checkpoints."""
    seed: int = 0
    """Draws the batches and the dropout."""


@dataclass(frozen=True)
class FineTuneDPOConfig(FineTuneConfig):
    """How long and how fast to learn by DPO."""

    epochs: int = 1
    learning_rate: float = 1e-4
    beta: float = 0.1
    """How much a change from the reference counts; the smaller, the further the policy goes."""


def fine_tune(
    policy: CausalLMPolicy,
    decisions: Sequence[Decision],
    config: FineTuneConfig | None = None,
    *,
    folder: str | Path | None = None,
) -> History:
    """Make what was done likelier: the mean ``-log p(token)`` of the actions' tokens falls.

    The loss is that of TRL's ``SFTTrainer`` on the completion only; the prompt is read, not
    learned.

    Args:
        policy: its adapter learns, in place; its value head does not.
        decisions: situations as ``text_rich``, and what was done in them.
        config: steps, learning rate, seed.
        folder: where checkpoints go; a run found there is continued.

    Returns:
        One row every tenth of the run: ``step``, ``loss`` and what else TRL measures.

    Raises:
        MissingExtraError: trl is not installed.
        DataError: there are no decisions.
        SettingError: a setting is out of range, or ``folder`` holds another run.
    """
    config = config or FineTuneConfig()
    if not decisions:
        raise DataError("there are no decisions to learn from; collect rollouts that succeeded")
    prompts, actions = policy.tokens([decision.observation for decision in decisions])
    rows = []
    for decision, prompt, texts in zip(decisions, prompts, actions, strict=True):
        action = texts[decision.action]
        rows.append({"input_ids": prompt + action, "labels": [-100] * len(prompt) + action})
    trl = require("trl", "trl")
    return _learn(policy, trl.SFTTrainer, trl.SFTConfig, rows, config, {}, folder)


def fine_tune_dpo(
    policy: CausalLMPolicy,
    pairs: Sequence[Pair],
    config: FineTuneDPOConfig | None = None,
    *,
    folder: str | Path | None = None,
) -> History:
    """Direct preference optimisation (arXiv 2305.18290) of single decisions.

    ``-log sigmoid(beta * ((log pi(a+|s) - log ref(a+|s)) - (log pi(a-|s) - log ref(a-|s))))``

    The reference is the policy as it comes in: TRL's ``DPOTrainer`` copies its adapter into a
    second, frozen one, which goes when learning has ended. Probabilities are of the texts; since
    both actions are scored against the same valid ones, the loss is the same with those of the
    policy. Dropout is off.

    Args:
        policy: its adapter learns, in place; its value head does not.
        pairs: two actions in one situation each, such as those of
            :func:`agents.shop.dpo.gather_pairs`.
        config: beta, steps, learning rate, seed.
        folder: where checkpoints go; a run found there is continued, if the policy comes in as it
            did then.

    Returns:
        One row every tenth of the run: ``step``, ``loss`` and what else TRL measures.

    Raises:
        MissingExtraError: trl is not installed.
        DataError: there are no pairs, or one prefers an action to itself.
        SettingError: a setting is out of range, or ``folder`` holds another run.
    """
    config = config or FineTuneDPOConfig()
    if not pairs:
        raise DataError("there are no pairs to learn from")
    if any(pair.preferred == pair.rejected for pair in pairs):
        raise DataError("a pair prefers an action to itself; preferred and rejected must differ")
    if config.beta <= 0:
        raise SettingError(f"beta must be above 0, got {config.beta}")
    prompts, actions = policy.tokens([pair.observation for pair in pairs])
    rows = [
        {
            "prompt_ids": prompt,
            "chosen_ids": texts[pair.preferred],
            "rejected_ids": texts[pair.rejected],
        }
        for pair, prompt, texts in zip(pairs, prompts, actions, strict=True)
    ]
    kind = "sigmoid_norm" if policy.config.length_normalized else "sigmoid"
    more = {"beta": config.beta, "loss_type": [kind], "disable_dropout": True}
    trl = require("trl", "trl")
    return _learn(policy, trl.DPOTrainer, trl.DPOConfig, rows, config, more, folder)


def _learn(
    policy: CausalLMPolicy,
    trainer_class: Any,
    arguments_class: Any,
    rows: Rows,
    config: FineTuneConfig,
    more: dict[str, Any],
    folder: str | Path | None,
) -> History:
    """Run a trainer of TRL over rows of tokens."""
    _check(config)
    steps = config.epochs * -(-len(rows) // config.batch_size)
    with contextlib.ExitStack() as stack:
        kept = folder is not None
        place = (
            local_path(folder, "folder")
            if folder is not None
            else Path(stack.enter_context(tempfile.TemporaryDirectory()))
        )
        checkpoint = _claim(place, policy, rows, config) if kept else None
        stack.callback(unlock_folder, place)
        stack.enter_context(_undisturbed(policy))
        advance = stack.enter_context(progress_bar("trl", steps))
        trainer = _tokenised(trainer_class)(
            model=policy.lm,
            args=arguments_class(
                **_arguments(policy, config, steps, place / TRAINER, kept), **more
            ),
            train_dataset=require("datasets", "trl").Dataset.from_list(rows),
            processing_class=policy.tokenizer,
            callbacks=[_bar(advance)],
        )
        trainer.remove_callback(require("transformers", "trl").trainer_callback.PrinterCallback)
        trainer.train(resume_from_checkpoint=checkpoint)
        return [row for row in trainer.state.log_history if "loss" in row]


def _arguments(
    policy: CausalLMPolicy, config: FineTuneConfig, steps: int, place: Path, kept: bool
) -> dict[str, Any]:
    """The arguments of both trainers."""
    device = policy.value.weight.device
    return {
        "output_dir": str(place),
        "max_steps": steps,
        "per_device_train_batch_size": config.at_once,
        "gradient_accumulation_steps": config.batch_size // config.at_once,
        "learning_rate": config.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": round(config.warmup * steps),
        "weight_decay": config.weight_decay,
        "max_grad_norm": config.clip_norm,
        "optim": "adamw_torch",
        "save_strategy": "steps" if kept else "no",
        "save_steps": config.save_every,
        "save_total_limit": 2,
        "logging_steps": max(1, steps // 10),
        "seed": config.seed,
        "use_cpu": device.type == "cpu",
        "bf16": policy.base_model.dtype == torch.bfloat16,
        "fp16": policy.base_model.dtype == torch.float16,
        "dataloader_pin_memory": device.type == "cuda",
        "gradient_checkpointing": False,
        "max_length": None,  # prompts and actions have been cut
        "disable_tqdm": True,
        "report_to": "none",
    }


def _check(config: FineTuneConfig) -> None:
    for name in ("epochs", "batch_size", "at_once", "save_every"):
        if getattr(config, name) < 1:
            raise SettingError(f"{name} must be at least 1, got {getattr(config, name)}")
    if config.batch_size % config.at_once:
        raise SettingError(
            f"batch_size={config.batch_size} must be a multiple of at_once={config.at_once}"
        )
    if config.learning_rate <= 0:
        raise SettingError(f"learning_rate must be above 0, got {config.learning_rate}")


def _claim(place: Path, policy: CausalLMPolicy, rows: Rows, config: FineTuneConfig) -> str | None:
    """The newest whole checkpoint of this run in the folder, if there is one.

    Raises:
        SettingError: the folder holds another run.
    """
    adapter = [(n, p.detach()) for n, p in policy.lm.named_parameters() if p.requires_grad]
    began = [f"{name} {weight.double().sum().item()!r}" for name, weight in adapter]
    contents = {
        "rows": fingerprint(repr(sorted(row.items())) for row in rows),
        "policy": fingerprint([repr(policy.config), repr(policy.base_model), *began]),
    }
    settings = {"config": type(config).__name__, **asdict(config)}
    RunFolder.claim(place, "shop train", settings, contents=contents)
    # the trainer writes this file last
    whole = [path.parent for path in (place / TRAINER).glob("checkpoint-*/trainer_state.json")]
    newest = max(whole, key=lambda path: int(path.name.split("-")[1]), default=None)
    return None if newest is None else str(newest)


def _tokenised(trainer_class: Any) -> Any:
    """A trainer of TRL that takes tokens, not texts.

    TRL would join the texts and tokenise them anew, and read special tokens out of them.
    """

    class Tokenised(trainer_class):
        def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
            return dataset

        def create_model_card(self, *_: Any, **__: Any) -> None:
            """None: nobody would fill it in."""

    return Tokenised


def _bar(advance: Callable[[int, str], None]) -> Any:
    """A callback that moves our progress bar."""
    transformers = require("transformers", "trl")

    class Bar(transformers.TrainerCallback):  # type: ignore[name-defined]
        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            advance(state.global_step, "")

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            losses = [row["loss"] for row in state.log_history if "loss" in row]
            advance(1, f"loss {losses[-1]:.3f}" if losses else "")

    return Bar()


@contextlib.contextmanager
def _undisturbed(policy: CausalLMPolicy) -> Iterator[None]:
    """Undo what a trainer does to the policy and the process beside learning, and report nothing.

    It draws from the global generators, wraps the model's ``forward``, silences dropout, adds an
    adapter for the reference, moves the model, and tells the Hugging Face hub about the run.
    """
    from huggingface_hub import constants
    from transformers.utils import logging

    device = policy.value.weight.device
    wrapped = [policy.lm, policy.base_model]
    forwards = [module.__dict__.get("forward") for module in wrapped]
    dropouts = {m: m.p for m in policy.lm.modules() if isinstance(m, nn.Dropout)}
    telemetry, verbosity = constants.HF_HUB_DISABLE_TELEMETRY, logging.get_verbosity()
    states = random.getstate(), np.random.get_state()  # noqa: NPY002  the trainer seeds it
    devices = [device] if device.type == "cuda" else []
    constants.HF_HUB_DISABLE_TELEMETRY = True
    logging.set_verbosity_error()
    try:
        with torch.random.fork_rng(devices), warnings.catch_warnings():
            # trl asks transformers by names that it renamed
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        constants.HF_HUB_DISABLE_TELEMETRY = telemetry
        logging.set_verbosity(verbosity)
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        for module, forward in zip(wrapped, forwards, strict=True):
            module.__dict__.pop("forward", None)
            module.__dict__.pop("_original_forward", None)
            if forward is not None:
                module.__dict__["forward"] = forward
        for module, p in dropouts.items():
            module.p = p
        if "ref" in policy.lm.peft_config:
            policy.lm.delete_adapter("ref")
        policy.to(device).eval()
