"""The training loop: seeded, resumable, with early stopping; it keeps the best step's weights.

Every batch is a function of its number, so a run that was killed and started again takes the same
steps as one that was not. A checkpoint is one file of safetensors with its progress in the header,
renamed into place as a whole: whenever a run is killed, the last one stands.

Under ``accelerate launch`` each of W processes takes one batch a step: process r takes number
``step * W + r``, and the gradient is the mean of all. The main process validates and writes, and
all go by what it found, so that no difference in a last bit can part them.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from llmrec_env.common import processes
from llmrec_env.common.arrays import IntArray
from llmrec_env.common.errors import DivergedError, LLMRecError, SettingError
from llmrec_env.common.files import atomic_path, local_path
from llmrec_env.common.progress import progress_bar

if TYPE_CHECKING:
    from accelerate import Accelerator

STATE, PROGRESS = "state.safetensors", "llmrec-progress"
"""A checkpoint's file, and the key of its progress in the header."""
Losses = dict[str, Tensor]
Metrics = dict[str, float]
Loss = Callable[[int, np.random.Generator], "Losses | Iterator[Losses]"]
"""A batch's terms; or those of its parts, one after the other, whose gradients are added up: then
one part at a time is in memory."""


@dataclass(frozen=True)
class TrainingConfig:
    """How long and how fast to learn."""

    steps: int = 1000
    """Optimiser steps at most, however many processes share them."""
    learning_rate: float = 1e-3
    """AdamW's peak learning rate."""
    weight_decay: float = 0.01
    """AdamW's decoupled decay, on matrices only."""
    warmup: float = 0.05
    """Share of the steps over which the learning rate rises from 0; it then falls as a cosine."""
    final_rate: float = 0.1
    """Learning rate at the last step, as a share of the peak; 1 keeps it constant."""
    clip_norm: float = 1.0
    """Largest norm of the gradient."""
    evaluate_every: int = 100
    """Steps between two validations."""
    patience: int = 5
    """Validations without a better metric before stopping; 0 never stops early."""
    comparable: bool = True
    """Whether the losses of two times tell which weights are better. Those of data that the module
    gathers itself do not: without validation its last weights are kept."""
    seed: int = 0
    """Seed of batches, negatives and dropout."""


@dataclass
class TrainingHistory:
    """What happened: one row a validation, and the step whose weights were kept."""

    rows: list[dict[str, float]] = field(default_factory=list)
    best_step: int = 0
    best_metric: float = -math.inf
    finished: bool = False


def shuffled_batches(n: int, batch_size: int, seed: int) -> Callable[[int], IntArray]:
    """Row numbers of each batch, by its number: a fresh permutation of ``n`` rows every epoch."""
    size = min(n, batch_size)
    per_epoch = max(1, math.ceil(n / size))
    cached: dict[int, IntArray] = {}

    def rows(number: int) -> IntArray:
        epoch, place = divmod(number, per_epoch)
        if epoch not in cached:
            cached.clear()
            cached[epoch] = np.random.default_rng([seed, epoch]).permutation(n)
        return cached[epoch][place * size : (place + 1) * size]

    return rows


def length_groups(lengths: IntArray, size: int, most: int | None = None) -> list[IntArray]:
    """Row numbers in groups of like length, so that little is padding.

    Args:
        lengths: int64 (n,), of the rows.
        size: rows of a group at most.
        most: places of a group at most, padding included, where it has more than one row.
    """
    by_length = np.argsort(lengths, kind="stable")
    groups = np.array_split(by_length, max(1, -(-len(by_length) // size)))
    if most is None:
        return groups
    parts = [max(1, most // int(lengths[group].max(initial=1))) for group in groups]
    pairs = zip(groups, parts, strict=True)
    return [part for g, n in pairs for part in np.array_split(g, max(1, -(-len(g) // n)))]


def bucketed_batches(
    lengths: IntArray, batch_size: int, seed: int, most: int | None = None
) -> Callable[[int], IntArray]:
    """Like :func:`shuffled_batches`, of the groups of :func:`length_groups`."""
    groups = length_groups(lengths, batch_size, most)
    order = shuffled_batches(len(groups), 1, seed)
    return lambda number: groups[int(order(number)[0])]


def train(
    module: nn.Module,
    loss: Loss,
    config: TrainingConfig,
    *,
    evaluate: Callable[[], Metrics] | None = None,
    metric: str = "",
    folder: str | Path | None = None,
    run: str = "",
    description: str = "train",
) -> TrainingHistory:
    """Minimise the sum of ``loss``'s terms over the trainable parameters of ``module``.

    Of several processes all must make the same call; ``evaluate`` is asked, and ``folder`` read and
    written, in the main one.

    Args:
        module: its parameters with ``requires_grad`` learn; nothing else of it is checkpointed.
            Several processes begin with the parameters of the main one; buffers stay their own.
        loss: named loss terms (scalars) of a batch, or of its parts, which add up to it, given its
            number and a generator of its own.
            One process takes one batch a step, so there the number is the step.
        config: steps, learning rate, seed.
        evaluate: validation metrics of the module as it stands (called in eval mode, no gradient),
            also before the first step, so that learning never ends below where it began; without
            it the mean training loss since the last validation counts, negated; or the last
            weights are kept (``config.comparable``).
        metric: the key of ``evaluate``'s result that is to be high.
        folder: where checkpoints go; a run found there is continued.
        run: what else makes this run the same run, such as a fingerprint of its data.
        description: the name on the progress bar.

    Returns:
        The history, its losses means over all processes; ``module`` holds the weights of its best
        step.

    Raises:
        LLMRecError: the loss became NaN or infinite, or ``folder`` holds another run.
        SettingError: several processes were begun to share out the model, not the batches, or
            have it on one GPU.
    """
    state = _Run(
        module, loss, config, None if folder is None else local_path(folder, "folder"), run
    )
    devices = list({p.device for p in state.parameters.values() if p.device.type == "cuda"})
    with torch.random.fork_rng(devices), progress_bar(description, config.steps) as advance:
        advance(state.step, "")
        if evaluate is not None and not state.history.rows:
            state.validate({}, evaluate, metric)
        sums: dict[str, float] = {}
        while not state.history.finished:
            terms = state.take_step()
            for name, value in terms.items():
                sums[name] = sums.get(name, 0.0) + value
            if state.step % config.evaluate_every == 0 or state.step == config.steps:
                since = (state.step - 1) % config.evaluate_every + 1
                means = {name: value / since for name, value in sums.items()}
                sums = {}
                state.validate(means, evaluate, metric)
            advance(1, " ".join(f"{k} {v:.4g}" for k, v in (state.last_metrics or terms).items()))
    state.restore_best()
    return state.history


class _Run:
    """The moving parts of one training: weights, moments, the best step so far."""

    def __init__(
        self, module: nn.Module, loss: Loss, config: TrainingConfig, folder: Path | None, name: str
    ) -> None:
        self.module = module
        self.loss = loss
        self.config = config
        self.folder = folder
        self.name = name
        self.parameters = {n: p for n, p in module.named_parameters() if p.requires_grad}
        matrices = [p for p in self.parameters.values() if p.ndim >= 2]
        others = [p for p in self.parameters.values() if p.ndim < 2]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": config.weight_decay},
                {"params": others, "weight_decay": 0.0},
            ],
            lr=config.learning_rate,
            fused=True,  # one pass over the parameters: three times as fast on a CPU
        )
        self.step = 0
        self.since_best = 0
        self.best: dict[str, Tensor] = {}
        self.history = TrainingHistory()
        self.last_metrics: Metrics = {}
        if processes.count() > 1:
            processes.own_device(next(iter(self.parameters.values())).device)
        self._resume()
        # One process does without: accelerate costs time to import and in every step of a small
        # model, and its state would bind the rest of the program to one kind of device.
        self.accelerator = self._share() if processes.count() > 1 else None

    def _share(self) -> Accelerator:
        """Let all processes learn together: each gets the mean of their gradients."""
        from accelerate import Accelerator
        from accelerate.utils import DistributedDataParallelKwargs, DistributedType

        terms = _Terms(self.loss, list(self.parameters.values()))
        # A batch need not touch every parameter: one copy of two, some experts of many.
        ddp = DistributedDataParallelKwargs(find_unused_parameters=True)
        accelerator = Accelerator(
            device_placement=False,  # callers place their modules
            mixed_precision="no",  # and choose their dtypes
            kwargs_handlers=[ddp],
        )
        kind = accelerator.distributed_type
        if kind in (DistributedType.FSDP, DistributedType.DEEPSPEED, DistributedType.MEGATRON_LM):
            raise SettingError(
                f"the processes were begun for {kind.value}, and only batches are shared out here, "
                "not the model: launch with --multi_gpu, or choose so in `accelerate config`"
            )
        self.loss, self.optimizer = accelerator.prepare(terms, self.optimizer)
        return accelerator

    def take_step(self) -> dict[str, float]:
        number = self.step * processes.count() + processes.rank()
        seed = [self.config.seed, number]
        _seed_torch(int(np.random.SeedSequence(seed).generate_state(1)[0]))
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate()
        self.module.train()
        self.optimizer.zero_grad(set_to_none=True)
        terms = self._learn_from(self.loss(number, np.random.default_rng(seed)))
        means = processes.mean(torch.stack(list(terms.values())))
        if not torch.isfinite(means.sum()):  # in all processes at once
            raise self._diverged(f"the loss is {float(means.sum())}")
        if self.accelerator is None:
            nn.utils.clip_grad_norm_(self.parameters.values(), self.config.clip_norm)
        else:
            self.accelerator.clip_grad_norm_(self.parameters.values(), self.config.clip_norm)
        self.optimizer.step()
        self.step += 1
        return dict(zip(terms, means.tolist(), strict=True))

    def _learn_from(self, parts: Losses | Iterator[Losses]) -> Losses:
        """Add up the gradients of a batch's parts; its terms, without gradient."""
        return added_up(map(self._backward, [parts] if isinstance(parts, dict) else parts))

    def _backward(self, terms: Losses) -> Losses:
        """Take the gradients of some terms, which are then without."""
        total = torch.stack(list(terms.values())).sum()
        if self.accelerator is None:
            total.backward()
        else:
            self.accelerator.backward(total)
        return {name: value.detach() for name, value in terms.items()}

    def _diverged(self, what: str) -> DivergedError:
        rate = self.config.learning_rate
        return DivergedError(f"{what} at step {self.step}; lower the learning rate (now {rate})")

    def validate(
        self, losses: Metrics, evaluate: Callable[[], Metrics] | None, metric: str
    ) -> None:
        if not all(bool(torch.isfinite(value).all()) for value in self.parameters.values()):
            raise self._diverged("a weight is not finite")
        self.module.eval()
        with torch.no_grad():
            losses, metrics = processes.on_main(
                lambda: (losses, evaluate() if evaluate is not None else {})
            )
        without = -sum(losses.values()) if self.config.comparable else float(self.step)
        value = metrics[metric] if metrics else without
        self.last_metrics = metrics
        self.history.rows.append({"step": self.step, **losses, **metrics})
        if value > self.history.best_metric:
            self.history.best_metric = value
            self.history.best_step = self.step
            self.since_best = 0
            self.best = {n: p.detach().clone() for n, p in self.parameters.items()}
        else:
            self.since_best += 1
        worn_out = 0 < self.config.patience <= self.since_best
        self.history.finished = worn_out or self.step >= self.config.steps
        self._checkpoint()

    def restore_best(self) -> None:
        with torch.no_grad():
            for name, value in self.best.items():
                self.parameters[name].copy_(value)
        self.module.eval()

    def _learning_rate(self) -> float:
        config = self.config
        rise = max(1, round(config.warmup * config.steps))
        if self.step < rise:
            return config.learning_rate * (self.step + 1) / rise
        done = (self.step - rise) / max(1, config.steps - rise)
        fall = 0.5 * (1 + math.cos(math.pi * done))
        return config.learning_rate * (config.final_rate + (1 - config.final_rate) * fall)

    def _identity(self) -> dict[str, Any]:
        shapes = {name: list(p.shape) for name, p in self.parameters.items()}
        return {
            "config": asdict(self.config),
            "shapes": shapes,
            "run": self.name,
            "processes": processes.count(),
        }

    def _checkpoint(self) -> None:
        if self.folder is None or not processes.is_main():
            return
        tensors = {f"now.{n}": p.detach() for n, p in self.parameters.items()}
        tensors |= {f"best.{n}": p for n, p in self.best.items()}
        for name, parameter in self.parameters.items():
            for key, value in self.optimizer.state.get(parameter, {}).items():
                tensors[f"adam.{key}.{name}"] = value
        progress = {
            "step": self.step,
            "since_best": self.since_best,
            "history": asdict(self.history),
            "identity": self._identity(),
        }
        with atomic_path(self.folder / STATE) as temporary:
            save_file(
                {k: v.contiguous().clone() for k, v in tensors.items()},
                temporary,
                metadata={PROGRESS: json.dumps(progress)},
            )

    def _saved(self, identity: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        """Progress and tensors of the checkpoint, if there is one."""
        if self.folder is None or not (self.folder / STATE).exists():
            return None
        path = self.folder / STATE
        try:
            with safe_open(path, framework="pt") as file:
                text = (file.metadata() or {}).get(PROGRESS)
        except (OSError, SafetensorError):
            text = None
        if text is None:
            raise LLMRecError(f"{path} is damaged, or no checkpoint; remove it, or name another")
        progress = json.loads(text)
        if progress["identity"] != identity:
            raise LLMRecError(
                f"{self.folder} holds a checkpoint of another run (other data, settings, sizes or "
                "number of processes); remove the folder or name another"
            )
        return progress, load_file(path)

    def _resume(self) -> None:
        identity = self._identity()
        saved = processes.on_main(lambda: self._saved(identity))
        if saved is None:
            return
        progress, tensors = saved
        self.step = progress["step"]
        self.since_best = progress["since_best"]
        self.history = TrainingHistory(**progress["history"])
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(tensors[f"now.{name}"])
                if f"best.{name}" in tensors:
                    self.best[name] = tensors[f"best.{name}"].to(parameter.device)
                moments = ("step", "exp_avg", "exp_avg_sq")
                adam = {k: tensors.get(f"adam.{k}.{name}") for k in moments}
                if adam["step"] is not None:
                    self.optimizer.state[parameter] = {
                        k: v.to(parameter.device) for k, v in adam.items() if v is not None
                    }


class _Terms(nn.Module):
    """The loss as a forward pass, which several processes can share, of what learns and no more.

    What does not learn, such as a large base model and its buffers, is then never sent around.
    """

    def __init__(self, loss: Loss, parameters: list[nn.Parameter]) -> None:
        super().__init__()
        self.loss = loss
        self.learning = nn.ParameterList(parameters)
        # torch warns where it looks for untouched parameters and finds none
        self.untouched = nn.Parameter(parameters[0].new_zeros(1))

    def forward(self, number: int, rng: np.random.Generator) -> Losses:
        parts = self.loss(number, rng)
        return parts if isinstance(parts, dict) else added_up(parts)


def added_up(parts: Iterable[Losses]) -> Losses:
    """The terms of a batch from those of its parts."""
    sums: Losses = {}
    for terms in parts:
        for name, value in terms.items():
            sums[name] = sums[name] + value if name in sums else value
    return sums


def _seed_torch(seed: int) -> None:
    """``torch.manual_seed`` of CPU and CUDA, without two milliseconds of looking for others."""
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)


def clear_checkpoint(folder: str | Path) -> None:
    """Remove the checkpoint of a run whose result has been saved elsewhere, and nothing else."""
    if processes.is_main():
        (Path(folder) / STATE).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # it is not there, or holds something else
            Path(folder).rmdir()
