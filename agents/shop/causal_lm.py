"""``CausalLMPolicy``: a causal LM with a LoRA adapter that scores valid actions by their texts."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from agents.shop.policy import ScoringPolicy
from agents.shop.prompts import Prompts, pack
from agents.shop.shop_pool import ShopObservation
from llmrec_env.common.device import check_device, check_dtype
from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.common.file_errors import told
from llmrec_env.common.files import atomic_path
from llmrec_env.common.saved_folder import read_described, write_described
from llmrec_env.common.tensor_files import read_finite
from llmrec_env.language.lm.pretrained import load_base_model, quiet_transformers
from llmrec_env.language.lm.saving import COPY_BASE_BELOW, save_adapter, save_base
from llmrec_env.language.lm.transformers_backend import TransformersBackend, model_mask

FORMAT = 1
PACKED_TOKENS = 16_384
"""Tokens of one pass at most, padding too; a single observation may have more."""


@dataclass(frozen=True)
class CausalLMConfig:
    """What the model reads, how it scores, and the size of its adapter."""

    prompt_tokens: int = 384
    """Tokens of instruction and page at most; see :class:`agents.shop.prompts.Prompts`."""
    action_tokens: int = 96
    """Tokens of an action at most, its end token included."""
    length_normalized: bool = False
    """Whether an action's score is the mean of its tokens' log-probabilities, not their sum. The
    sum is the model's own probability of the action, but before any learning it prefers short
    ones."""
    rank: int = 16
    """Rank of the LoRA matrices, which stand beside every linear map but the head."""
    alpha: int = 32
    """What the adapter says is multiplied by alpha / rank."""
    dropout: float = 0.0
    """Share of the adapter's inputs dropped in training."""
    seed: int = 0
    """Draws the adapter's initial weights."""


class CausalLMPolicy(ScoringPolicy):
    """Scores ``observation="text_rich"``: an action is worth what the model thinks of its text.

    The score of action a in situation s is ``sum_t log p(a_t | prompt(s), a_<t)`` over the tokens
    of its text and the end token, or their mean; a softmax over the scores of the valid actions is
    the policy. All actions of an observation are scored in one pass, in which the prompt is read
    once. A linear value head reads the last state of the prompt.

    The base model stays as it is; adapter and value head learn. A new adapter changes nothing, so a
    new policy is the base model's own.

    Args:
        base_model: hub name or folder of any decoder-only model with full or sliding-window
            attention, safetensors only.
        config: limits, scoring, adapter.
        device: where it runs.
        dtype: of the base model, "auto", "float32", "bfloat16" or "float16"; see
            :func:`llmrec_env.common.device.check_dtype`.

    Attributes:
        lm: the causal LM, wrapped by peft.
        tokenizer: of its words.
        prompts: turns observations and actions into tokens.

    Raises:
        LLMRecError: no such model, or one that cannot read several actions at once.
        SettingError: no such device or dtype, a setting out of range, or limits beyond the model's
            positions.
    """

    observation = "text_rich"

    def __init__(
        self,
        base_model: str | os.PathLike[str],
        config: CausalLMConfig | None = None,
        *,
        device: str | torch.device = "cpu",
        dtype: str | torch.dtype = "auto",
    ) -> None:
        super().__init__()
        self.config = config or CausalLMConfig()
        _check(self.config)
        place = check_device(device)
        base, self.tokenizer = load_base_model(base_model, check_dtype(dtype, place))
        self.base_name = os.fspath(base_model)
        backend = TransformersBackend(base, self.tokenizer)
        _check_positions(self.config, backend.max_positions)
        self.prompts = Prompts(self.tokenizer, self.config.prompt_tokens, self.config.action_tokens)
        with torch.random.fork_rng([]):
            torch.manual_seed(self.config.seed)
            backend.adapt(self.config.rank, self.config.alpha, self.config.dropout)
            self.value = nn.Linear(backend.hidden_size, 1)
        self.lm: Any = backend.causal_lm
        self.to(place).eval()

    @property
    def base_model(self) -> PreTrainedModel:
        """The causal LM in which the adapter stands."""
        return cast(PreTrainedModel, self.lm.get_base_model())

    def forward(self, observations: Sequence[ShopObservation]) -> tuple[Tensor, Tensor]:
        """Log-probabilities float32 (N, A) of the valid actions, and values float32 (N,).

        Raises:
            DataError: an observation has no valid actions, its episode being over.
        """
        prompts, actions = self.tokens(observations)
        lengths = [len(p) + sum(map(len, a)) for p, a in zip(prompts, actions, strict=True)]
        scores = self.value.weight.new_full((len(observations), max(map(len, actions))), -torch.inf)
        values = self.value.weight.new_zeros(len(observations))
        for rows in _passes(lengths):
            some, value = self._score([prompts[r] for r in rows], [actions[r] for r in rows])
            where = torch.tensor(rows, device=scores.device)
            wider = scores.shape[1] - some.shape[1]
            padded = nn.functional.pad(some, (0, wider), value=-torch.inf)
            scores = scores.index_copy(0, where, padded)
            values = values.index_copy(0, where, value)
        return torch.log_softmax(scores, dim=1), values

    def tokens(
        self, observations: Sequence[ShopObservation]
    ) -> tuple[list[list[int]], list[list[list[int]]]]:
        """Token ids of each observation's prompt, and of each of its actions.

        Raises:
            DataError: an observation has no valid actions, its episode being over.
        """
        if not all(one.actions for one in observations):
            raise DataError(
                "an observation has no valid actions: its episode is over, so begin another"
            )
        prompts = [self.prompts.prompt(one) for one in observations]
        return prompts, [self.prompts.actions(one.actions) for one in observations]

    def _score(
        self, prompts: list[list[int]], actions: list[list[list[int]]]
    ) -> tuple[Tensor, Tensor]:
        """Scores float32 (n, A), minus infinity where there is no action, and values (n,)."""
        packed = pack(prompts, actions, self.value.weight.device)
        config = self.base_model.config
        output = self.lm(
            input_ids=packed.ids,
            attention_mask=model_mask(
                config, packed.allowed, packed.positions, packed.positions, self.base_model.dtype
            ),
            position_ids=packed.positions,
            logits_to_keep=packed.tail + 1,
            output_hidden_states=True,
            use_cache=False,
        )
        logits = output.logits.float()
        all_words = logits.logsumexp(dim=-1)[packed.rows, packed.columns]
        log_probs = logits[packed.rows, packed.columns, packed.targets] - all_words
        most = max(map(len, actions))
        scores = log_probs.new_zeros(len(actions) * most).index_add(0, packed.owners, log_probs)
        counts = torch.bincount(packed.owners, minlength=len(scores))
        if self.config.length_normalized:
            scores = scores / counts.clamp(min=1)
        scores = scores.masked_fill(counts == 0, -torch.inf).view(len(actions), most)
        last = output.hidden_states[-1][:, -packed.tail - 1]
        return scores, self.value(last.float()).squeeze(-1)

    def save(self, folder: str | os.PathLike[str], copy_base: bool | None = None) -> None:
        """Write the policy as one folder, whole or not at all.

        ``config.json``, ``adapter/`` as peft writes it, ``value_head.safetensors``, and
        ``base_model/`` with the tokenizer and, if they go along, the base model's weights.

        Args:
            folder: where to; a policy that stands there is replaced.
            copy_base: whether the base model's weights go along; None copies those of less than 50
                million parameters and names larger ones.
        """
        base = self.base_model
        copy = copy_base
        if copy is None:
            copy = base.num_parameters() - self._adapter_size() < COPY_BASE_BELOW
        with atomic_path(folder) as temporary, quiet_transformers():
            temporary.mkdir()
            name = "../base_model" if copy else self.base_name
            save_adapter(self.lm, temporary / "adapter", torch.float32, name)
            if copy:
                save_base(base, temporary / "base_model", base.dtype)
            self.tokenizer.save_pretrained(temporary / "base_model")
            value = {n: v.detach().cpu() for n, v in self.value.state_dict().items()}
            save_file(value, temporary / "value_head.safetensors")
            packages = ("torch", "transformers", "peft")
            description = {
                "format": FORMAT,
                "policy": "causal_lm",
                "base_model": None if copy else self.base_name,
                "config": asdict(self.config),
                "versions": {name: importlib.metadata.version(name) for name in packages},
            }
            write_described(temporary, description)

    @classmethod
    def load(
        cls,
        folder: str | os.PathLike[str],
        *,
        device: str | torch.device = "cpu",
        dtype: str | torch.dtype = "auto",
    ) -> CausalLMPolicy:
        """Read what :meth:`save` wrote.

        Raises:
            DataError: the folder holds no such policy, is not as it was saved, or its parts do not
                fit each other.
            LLMRecError: its base model, which was named and not copied, cannot be loaded.
        """
        from peft import set_peft_model_state_dict

        path = Path(folder)
        description, config, adapter, value = _read(path)
        name = description["base_model"]
        if name is None:
            name = path / "base_model"
        policy = cls(name, config, device=device, dtype=dtype)
        try:
            set_peft_model_state_dict(policy.lm, adapter)
            policy.value.load_state_dict(value)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[0]
            raise DataError(f"{path} does not fit its base model {str(name)!r}: {reason}") from None
        return policy

    def _adapter_size(self) -> int:
        return sum(p.numel() for p in self.lm.parameters() if p.requires_grad)


def _read(
    path: Path,
) -> tuple[dict[str, Any], CausalLMConfig, dict[str, Tensor], dict[str, Tensor]]:
    """Description, settings, adapter and value head in the folder of a saved policy."""
    try:
        description = read_described(path)
        if (description["policy"], description["format"]) != ("causal_lm", FORMAT):
            raise ValueError(f"format {description['format']!r} of {description['policy']!r}")
        config = CausalLMConfig(**description["config"])
        adapter = read_finite(path / "adapter" / "adapter_model.safetensors")
        return description, config, adapter, read_finite(path / "value_head.safetensors")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} holds no causal LM policy ({told(error)}); expected what CausalLMPolicy.save "
            "wrote"
        ) from None


def _check(config: CausalLMConfig) -> None:
    for name in ("rank", "alpha"):
        if getattr(config, name) < 1:
            raise SettingError(f"{name} must be at least 1, got {getattr(config, name)}")
    if not 0 <= config.dropout < 1:
        raise SettingError(f"dropout must lie in [0, 1), got {config.dropout}")


def _check_positions(config: CausalLMConfig, positions: int | None) -> None:
    wanted = config.prompt_tokens + config.action_tokens
    if positions is not None and wanted > positions:
        raise SettingError(
            f"prompt_tokens={config.prompt_tokens} and action_tokens={config.action_tokens} make "
            f"{wanted} tokens, but the base model reads {positions}; make them smaller"
        )


def _passes(lengths: Sequence[int]) -> list[list[int]]:
    """Rows of each pass: of similar length, so that little is padding."""
    passes: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        full = not passes or lengths[passes[-1][0]] * (len(passes[-1]) + 1) > PACKED_TOKENS
        if full:
            passes.append([])
        passes[-1].append(row)
    return passes
