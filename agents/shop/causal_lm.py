"""``CausalLMPolicy``: a causal LM with a LoRA adapter that scores valid actions by their texts."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from agents.shop.policy import ScoringPolicy
from agents.shop.prompts import Prompts, pack
from agents.shop.shop_pool import ShopObservation
from agents.shop.word_probabilities import WordProbabilities
from llmrec_env.common.arrays import IntArray
from llmrec_env.common.device import check_device, check_dtype
from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.common.file_errors import told
from llmrec_env.common.files import atomic_path
from llmrec_env.common.saved_folder import read_described, write_described
from llmrec_env.common.tensor_files import read_finite
from llmrec_env.language.lm.decoder import text_decoder
from llmrec_env.language.lm.gguf_files import converted_key
from llmrec_env.language.lm.pretrained import load_base_model, quiet_transformers
from llmrec_env.language.lm.saving import COPY_BASE_BELOW, save_adapter, save_base
from llmrec_env.language.lm.transformers_backend import TransformersBackend, model_mask

FORMAT = 2
PADDED = 0.8
"""A row of a pass has at least this share of the longest one's tokens: the rest is padding."""


@dataclass(frozen=True)
class CausalLMConfig:
    """What the model reads, how it scores, and what of it learns."""

    prompt_tokens: int = 384
    """Tokens of instruction and page at most, at least 256; see
    :class:`llmrec_env.envs.shop.views.prompt.PromptView`."""
    action_tokens: int = 96
    """Tokens of an action at most, its end token included."""
    length_normalized: bool = False
    """Whether an action's score is the mean of its tokens' log-probabilities, not their sum. The
    sum is the model's own probability of the action, but before any learning it prefers short
    ones."""
    dtype: str = "auto"
    """Of the base model: auto, float32, bfloat16 or float16; see
    :func:`llmrec_env.common.device.check_dtype`. The adapter is of float32."""
    layers: int | None = None
    """How many of the base model's layers are kept, from the first one on; None keeps all."""
    rank: int = 16
    """Rank of the LoRA matrices."""
    alpha: int = 32
    """What the adapter says is multiplied by alpha / rank."""
    dropout: float = 0.0
    """Share of the adapter's inputs dropped in training."""
    lora_modules: tuple[str, ...] = ()
    """Names of the linear maps beside which LoRA stands, such as ("q_proj", "v_proj"); none means
    all but the head."""
    lora_layers: int | None = None
    """In how many layers LoRA stands, the last ones; None means in all. Those below are read
    without a gradient, which saves much of a learning step."""
    part_tokens: int = 512
    """Tokens that are read at once, or one prompt's, if it has more. Fewer take less memory: a
    learning step adds up the gradients of its parts."""
    gradient_checkpointing: bool = False
    """Whether learning keeps no outputs of layers but computes them again for the gradient, which
    takes a third longer and a fraction of the memory."""
    seed: int = 0
    """Draws the adapter's initial weights."""


class CausalLMPolicy(ScoringPolicy):
    """Scores ``observation="prompt"``: an action is worth what the model thinks of its text.

    The score of action a in situation s is ``sum_t log p(a_t | prompt(s), a_<t)`` over the tokens
    of its text and the end token, or their mean; a softmax over the scores of the valid actions is
    the policy. All actions of an observation are scored in one pass, in which the prompt is read
    once, and of the words' probabilities only those are computed that tell an action's tokens. A
    linear value head reads the last state of the prompt.

    A value of an option that is chosen already has no probability: pressing it changes nothing, and
    a policy that likes it best would press it until the episode is cut off.

    The base model stays as it is; adapter and value head learn. A new adapter changes nothing, so a
    new policy is the base model's own.

    Args:
        base_model: hub name, folder or GGUF file of any decoder-only model with full or
            sliding-window attention.
        config: limits, scoring, adapter.
        device: where it runs.
        content: what a GGUF file holds, should the file be gone; see
            :func:`llmrec_env.language.lm.pretrained.load_base_model`.

    Attributes:
        lm: the causal LM, wrapped by peft.
        tokenizer: of its words.
        prompts: turns observations and actions into tokens.
        view: by which the environment cuts pages for it.

    Raises:
        LLMRecError: no such model, or one that cannot read several actions at once.
        SettingError: no such device or dtype, a setting out of range, or limits beyond the model's
            positions.
    """

    observation = "prompt"

    def __init__(
        self,
        base_model: str | os.PathLike[str],
        config: CausalLMConfig | None = None,
        *,
        device: str | torch.device = "cpu",
        content: str | None = None,
    ) -> None:
        super().__init__()
        self.config = config or CausalLMConfig()
        _check(self.config)
        place = check_device(device)
        dtype = check_dtype(self.config.dtype, place)
        base, self.tokenizer = load_base_model(base_model, dtype, self.config.layers, content)
        self.base_name = os.fspath(base_model)
        backend = TransformersBackend(base, self.tokenizer)
        self.prompts = Prompts(self.tokenizer, self.config.prompt_tokens, self.config.action_tokens)
        self.view = self.prompts.view
        _check_positions(self.config, self.prompts.frame_tokens, backend.max_positions)
        with torch.random.fork_rng([]):
            torch.manual_seed(self.config.seed)
            config = self.config
            backend.adapt(
                config.rank, config.alpha, config.dropout, config.lora_modules, config.lora_layers
            )
            self.value = nn.Linear(backend.hidden_size, 1)
        backend.recompute(self.config.gradient_checkpointing)
        self.lm: Any = backend.causal_lm
        self.to(place).eval()
        self._words = WordProbabilities(self.base_model)

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
        scores, values = self._scored(prompts, actions)
        idle = np.zeros(tuple(scores.shape), dtype=np.bool_)
        for row, one in enumerate(observations):
            idle[row, : len(one.actions)] = [action in one.idle for action in one.actions]
        scores = scores.masked_fill(torch.from_numpy(idle).to(scores.device), -torch.inf)
        return torch.log_softmax(scores, dim=1), values

    def scores(self, observations: Sequence[ShopObservation], places: IntArray) -> Tensor:
        """Scores float32 (N, K) of the actions at these places, int64 (N, K): only their texts are
        read."""
        prompts, actions = self.tokens(observations)
        some = [[own[k] for k in row] for own, row in zip(actions, places.tolist(), strict=True)]
        return self._scored(prompts, some)[0]

    def parts(self, observations: Sequence[ShopObservation]) -> list[IntArray]:
        """Groups of similar length of ``part_tokens`` at most, if they have several rows."""
        lengths = [len(self.prompts.prompt(one)) for one in observations]
        return [np.array(rows) for rows in _passes(lengths, self.config.part_tokens)]

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

    def token_log_probs(
        self, prompts: list[list[int]], actions: list[list[list[int]]]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What the model thinks of every token of some actions, in one pass.

        Args:
            prompts: token ids of N prompts.
            actions: of each, token ids of one or more actions.

        Returns:
            Log-probabilities float32 (T,); which action each token belongs to, by ``row * A + i``,
            int64 (T,); the last states of the prompts, float32 (N, H).
        """
        packed = pack(prompts, actions, self.value.weight.device)
        decoder = text_decoder(self.base_model)
        states = decoder(
            input_ids=packed.ids,
            attention_mask=model_mask(
                decoder.config, packed.allowed, packed.positions, packed.positions, decoder.dtype
            ),
            position_ids=packed.positions,
            use_cache=False,
        ).last_hidden_state[:, -packed.tail - 1 :]
        places = packed.rows * states.shape[1] + packed.columns
        told = self._words(states.flatten(0, 1), places, packed.targets)
        return told, packed.owners, states[:, 0].float()

    def _scored(
        self, prompts: list[list[int]], actions: list[list[list[int]]]
    ) -> tuple[Tensor, Tensor]:
        """Scores float32 (N, A), minus infinity where there is no action, and values (N,)."""
        lengths = [len(p) + sum(map(len, a)) for p, a in zip(prompts, actions, strict=True)]
        scores = self.value.weight.new_full((len(prompts), max(map(len, actions))), -torch.inf)
        values = self.value.weight.new_zeros(len(prompts))
        for rows in _passes(lengths, self.config.part_tokens):
            some, value = self._score([prompts[r] for r in rows], [actions[r] for r in rows])
            where = torch.tensor(rows, device=scores.device)
            wider = scores.shape[1] - some.shape[1]
            padded = nn.functional.pad(some, (0, wider), value=-torch.inf)
            scores = scores.index_copy(0, where, padded)
            values = values.index_copy(0, where, value)
        return scores, values

    def _score(
        self, prompts: list[list[int]], actions: list[list[list[int]]]
    ) -> tuple[Tensor, Tensor]:
        """The same of one pass."""
        log_probs, owners, states = self.token_log_probs(prompts, actions)
        most = max(map(len, actions))
        scores = log_probs.new_zeros(len(actions) * most).index_add(0, owners, log_probs)
        counts = torch.bincount(owners, minlength=len(scores))
        if self.config.length_normalized:
            scores = scores / counts.clamp(min=1)
        scores = scores.masked_fill(counts == 0, -torch.inf).view(len(actions), most)
        return scores, self.value(states).squeeze(-1)

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
                "base_content": None if copy else converted_key(base.name_or_path),
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
        dtype: str | None = None,
    ) -> CausalLMPolicy:
        """Read what :meth:`save` wrote; ``dtype`` of the base model, None for that of its config.

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
        if dtype is not None:
            config = replace(config, dtype=dtype)
        policy = cls(name, config, device=device, content=description["base_content"])
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
        config = causal_lm_config(description["config"])
        adapter = read_finite(path / "adapter" / "adapter_model.safetensors")
        return description, config, adapter, read_finite(path / "value_head.safetensors")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} holds no causal LM policy ({told(error)}); expected what CausalLMPolicy.save "
            "wrote"
        ) from None


def causal_lm_config(values: Mapping[str, Any]) -> CausalLMConfig:
    """The settings that ``dataclasses.asdict`` wrote to JSON."""
    return CausalLMConfig(**{**values, "lora_modules": tuple(values["lora_modules"])})


def _check(config: CausalLMConfig) -> None:
    for name in ("rank", "alpha", "part_tokens", "lora_layers"):
        if getattr(config, name) is None:
            continue
        if getattr(config, name) < 1:
            raise SettingError(f"{name} must be at least 1, got {getattr(config, name)}")
    if not 0 <= config.dropout < 1:
        raise SettingError(f"dropout must lie in [0, 1), got {config.dropout}")


def _check_positions(config: CausalLMConfig, frame: int, positions: int | None) -> None:
    wanted = config.prompt_tokens + frame + config.action_tokens
    if positions is not None and wanted > positions:
        raise SettingError(
            f"prompt_tokens={config.prompt_tokens}, action_tokens={config.action_tokens} and the "
            f"{frame} around a page make {wanted} tokens, but the base model reads {positions}; "
            "make them smaller"
        )


def _passes(lengths: Sequence[int], most: int) -> list[list[int]]:
    """Rows of each pass: of similar length, so that little is padding, and ``most`` tokens or a
    single row."""
    passes: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        longest = lengths[passes[-1][0]] if passes else 0
        full = longest * (len(passes[-1]) + 1) > most if passes else True
        if full or lengths[row] < PADDED * longest:
            passes.append([])
        passes[-1].append(row)
    return passes
