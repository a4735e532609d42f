"""A reader of the package's own small language models, which are of Qwen3's shape.

It computes what transformers' ``Qwen3Model`` computes, from the same files, with the adapter added
to the weights: the embedded LE answers without an import of transformers, which takes longer than
everything else that ``gym.make`` does, and a step costs a third. It only answers; learning, and
every other architecture, goes through :mod:`llmrec_env.language.hugging_face`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from llmrec_env.common.files import read_json
from llmrec_env.language.readers import Reader, RowCache, RowLayer

READ = ("model.layers.", "model.norm.")  # neither words nor the head over them
ADAPTED = "base_model.model."  # what peft puts before the name of a module


class Qwen3Reader(Reader):
    """Qwen3 (rotary positions, grouped queries, normalised queries and keys, gated network)."""

    def __init__(self, config: dict[str, Any], weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.hidden_size = config["hidden_size"]
        self.n_layers = config["num_hidden_layers"]
        self.max_positions = config["max_position_embeddings"]
        self.layers = nn.ModuleList(
            Layer(config, weights, f"model.layers.{i}.") for i in range(self.n_layers)
        )
        self.norm = RMSNorm(weights["model.norm.weight"], config["rms_norm_eps"])
        self.head_size: int = config["head_dim"]
        self.theta: float = config["rope_parameters"]["rope_theta"]

    @staticmethod
    def reads(folder: Path) -> bool:
        """Whether this reader computes what the model saved in ``folder`` does."""
        if not (folder / "config.json").exists() or not (folder / "model.safetensors").exists():
            return False
        config = read_json(folder / "config.json")
        return (
            config.get("model_type") == "qwen3"
            and config.get("hidden_act") == "silu"
            and not config.get("attention_bias")
            and not config.get("use_sliding_window")
            and (config.get("rope_parameters") or {}).get("rope_type") == "default"
        )

    @classmethod
    def load(cls, base: Path, adapter: Path, dtype: torch.dtype) -> Qwen3Reader:
        """Read a base model's folder and add the LoRA adapter of another to its weights."""
        with safe_open(base / "model.safetensors", framework="pt") as file:
            read = [name for name in file.keys() if name.startswith(READ)]  # noqa: SIM118
            weights = {name: file.get_tensor(name).float() for name in read}
        lora = load_file(adapter / "adapter_model.safetensors")
        settings = read_json(adapter / "adapter_config.json")
        scale = settings["lora_alpha"] / settings["r"]
        for name, down in lora.items():
            if name.endswith(".lora_A.weight"):
                up = lora[name.replace(".lora_A.", ".lora_B.")].float()
                target = name.removeprefix(ADAPTED).replace(".lora_A.", ".")
                weights[target] = weights[target] + scale * (up @ down.float())
        return cls(read_json(base / "config.json"), weights).to(dtype).requires_grad_(False)

    @property
    def dtype(self) -> torch.dtype:
        """The dtype in which it computes."""
        return self.norm.weight.dtype

    def forward(
        self,
        embedded: Tensor,
        allowed: Tensor,
        positions: Tensor,
        key_positions: Tensor | None = None,
        cache: RowCache | None = None,
    ) -> Tensor:
        """One pass over tokens; see :meth:`Reader.forward`."""
        rotation = self._rotation(positions)
        mask = allowed[:, None]
        x = embedded
        for i, layer in enumerate(self.layers):
            x = layer(x, mask, rotation, cache.layers[i] if cache is not None else None)
        return self.norm(x).float()

    def _rotation(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines (B, 1, T, head size) of the angles by which positions turn."""
        steps = torch.arange(0, self.head_size, 2, device=positions.device) / self.head_size
        angles = positions[:, None, :, None] * self.theta**-steps
        angles = torch.cat([angles, angles], dim=-1)
        return angles.cos().to(self.dtype), angles.sin().to(self.dtype)


class RMSNorm(nn.Module):
    """Scale to unit root mean square, computed in float32."""

    def __init__(self, weight: Tensor, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise over the last axis."""
        return F.rms_norm(x, self.weight.shape, self.weight, self.eps)


class Layer(nn.Module):
    """One layer; what reads the same input is one matrix."""

    def __init__(self, config: dict[str, Any], weights: dict[str, Tensor], name: str) -> None:
        super().__init__()
        self.heads = (config["num_attention_heads"], config["num_key_value_heads"])
        self.head_size: int = config["head_dim"]

        def joined(*parts: str) -> nn.Parameter:
            return nn.Parameter(torch.cat([weights[f"{name}{part}.weight"] for part in parts]))

        def norm(part: str) -> RMSNorm:
            return RMSNorm(weights[f"{name}{part}.weight"], config["rms_norm_eps"])

        self.attention_norm = norm("input_layernorm")
        self.query_key_value = joined(*(f"self_attn.{part}_proj" for part in "qkv"))
        self.query_norm, self.key_norm = norm("self_attn.q_norm"), norm("self_attn.k_norm")
        self.output = joined("self_attn.o_proj")
        self.network_norm = norm("post_attention_layernorm")
        self.gate_up = joined("mlp.gate_proj", "mlp.up_proj")
        self.down = joined("mlp.down_proj")

    def forward(
        self,
        x: Tensor,
        mask: Tensor,
        rotation: tuple[Tensor, Tensor],
        cache: RowLayer | None,
    ) -> Tensor:
        """Tokens (B, T, H) one layer up; ``mask`` bool (B, 1, T, S)."""
        x = x + self._attend(self.attention_norm(x), mask, rotation, cache)
        gate, up = F.linear(self.network_norm(x), self.gate_up).chunk(2, dim=-1)
        return x + F.linear(F.silu(gate) * up, self.down)

    def _attend(
        self,
        x: Tensor,
        mask: Tensor,
        rotation: tuple[Tensor, Tensor],
        cache: RowLayer | None,
    ) -> Tensor:
        rows, width, _ = x.shape
        n, m = self.heads
        packed = F.linear(x, self.query_key_value).view(rows, width, n + 2 * m, self.head_size)
        query, key, value = packed.transpose(1, 2).split([n, m, m], dim=1)
        query = _rotate(self.query_norm(query), rotation)
        key = _rotate(self.key_norm(key), rotation)
        if cache is not None:
            key, value = cache.update(key, value)
        if x.device.type == "cpu":
            mixed = F.scaled_dot_product_attention(query, key, value, mask, enable_gqa=True)
        else:  # whose fast kernels take no mask with grouped queries
            key, value = (part.repeat_interleave(n // m, dim=1) for part in (key, value))
            mixed = F.scaled_dot_product_attention(query, key, value, mask)
        return F.linear(mixed.transpose(1, 2).reshape(rows, width, -1), self.output)


def _rotate(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Turn each pair of coordinates (i, i + half) by its position's angle."""
    cosine, sine = rotation
    first, second = x.chunk(2, dim=-1)
    return x * cosine + torch.cat([-second, first], dim=-1) * sine
