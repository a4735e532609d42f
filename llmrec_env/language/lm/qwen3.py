"""``Qwen3Backend``: fast inference with the package's own small LMs, without training.

It computes what transformers' ``Qwen3Model`` computes, from the same files, with the adapter added
to the weights: the embedded LE answers without an import of transformers, which takes longer than
everything else that ``gym.make`` does, and a step costs a third. It only answers; learning, and
every other architecture, goes through :mod:`llmrec_env.language.lm.transformers_backend`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from llmrec_env.common.files import read_json
from llmrec_env.common.tensor_files import check_shapes, read_tensors
from llmrec_env.language.lm.backend import LMBackend, RowCache, RowLayer

READ = ("model.layers.", "model.norm.")  # neither words nor the head over them
FEW_ROWS = 8  # for which torch's own attention of one token is the faster on a CPU
FEW_TOKENS = 2  # of a row, for which it is the slower with more rows
ADAPTED = "base_model.model."  # what peft puts before the name of a module


class Qwen3Backend(LMBackend):
    """Qwen3 (rotary positions, grouped queries, normalised queries and keys, gated network)."""

    frequencies: Tensor
    floor: Tensor

    def __init__(self, config: dict[str, Any], weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.hidden_size = config["hidden_size"]
        self.n_layers = config["num_hidden_layers"]
        self.max_positions = config["max_position_embeddings"]
        self.layers = nn.ModuleList(
            Layer(config, weights, f"model.layers.{i}.") for i in range(self.n_layers)
        )
        self.norm = nn.Parameter(_scales(weights["model.norm.weight"]))
        self.register_buffer("floor", _floor(config, self.hidden_size), persistent=False)
        size, theta = config["head_dim"], config["rope_parameters"]["rope_theta"]
        frequencies = theta ** -(torch.arange(0, size, 2) / size)
        self.register_buffer("frequencies", frequencies, persistent=False)

    @staticmethod
    def reads(folder: Path) -> bool:
        """Whether this backend computes what the model saved in ``folder`` does."""
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
    def load(cls, base: Path, adapter: Path, dtype: torch.dtype) -> Qwen3Backend:
        """Read a base model's folder and add the LoRA adapter of another to its weights.

        Raises:
            DataError: a file is damaged, or a weight missing, new, of another shape or no number.
        """
        config = read_json(base / "config.json")
        path = base / "model.safetensors"
        weights = {n: v for n, v in read_tensors(path).items() if n.startswith(READ)}
        check_shapes(path, weights, _shapes(config))
        weights = {name: value.float() for name, value in weights.items()}
        settings = read_json(adapter / "adapter_config.json")
        path = adapter / "adapter_model.safetensors"
        lora = read_tensors(path)
        check_shapes(path, lora, _lora_shapes(_shapes(config), settings))
        scale = settings["lora_alpha"] / settings["r"]
        for name, down in lora.items():
            if name.endswith(".lora_A.weight"):
                up = lora[name.replace(".lora_A.", ".lora_B.")].float()
                target = name.removeprefix(ADAPTED).replace(".lora_A.", ".")
                weights[target] = weights[target] + scale * (up @ down.float())
        backend = cls(config, weights).requires_grad_(False)
        for parameter in backend.parameters():  # but not the angles, which keep their precision
            parameter.data = parameter.data.to(dtype)
        return backend

    def new_cache(self, rows: int, slots: int) -> RowCache:
        """A cache; of many rows as :func:`_mix_few` reads it fastest."""
        across = self.norm.device.type == "cpu" and rows > FEW_ROWS
        return RowCache(self.n_layers, rows, slots, across)

    @property
    def dtype(self) -> torch.dtype:
        """The dtype in which it computes."""
        return self.norm.dtype

    def forward(
        self,
        embedded: Tensor,
        allowed: Tensor,
        positions: Tensor,
        key_positions: Tensor | None = None,
        cache: RowCache | None = None,
    ) -> Tensor:
        """One pass over tokens; see :meth:`LMBackend.forward`."""
        rotation = self._rotation(positions)
        bias = torch.zeros(allowed.shape, dtype=self.dtype, device=allowed.device)
        bias = bias.masked_fill_(~allowed, float("-inf"))[:, None]
        x = embedded.flatten(0, 1)
        for i, layer in enumerate(self.layers):
            x = layer(x, bias, rotation, cache.layers[i] if cache is not None else None)
        return (_unit(x, self.floor) * self.norm).float().view(embedded.shape)

    def _rotation(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines (B, 1, T, head size) of the angles by which positions turn.

        The first half of the sines is negative: it multiplies what comes from the other half.
        """
        angles = positions[:, None, :, None] * self.frequencies
        sines = angles.sin()
        cosines = angles.cos()
        return (
            torch.cat([cosines, cosines], dim=-1).to(self.dtype),
            torch.cat([-sines, sines], dim=-1).to(self.dtype),
        )


class Layer(nn.Module):
    """One layer, each norm's weights in the matrices that read what it normed."""

    floor: Tensor
    head_floor: Tensor

    def __init__(self, config: dict[str, Any], weights: dict[str, Tensor], name: str) -> None:
        super().__init__()
        self.heads = (config["num_attention_heads"], config["num_key_value_heads"])
        self.head_size: int = config["head_dim"]
        self.register_buffer("floor", _floor(config, config["hidden_size"]), persistent=False)
        self.register_buffer("head_floor", _floor(config, self.head_size), persistent=False)

        def scales(part: str) -> Tensor:
            return _scales(weights[f"{name}{part}.weight"])

        def matrix(*parts: str, normed: Tensor | None = None) -> nn.Parameter:
            """Inputs down, outputs across, as a CPU multiplies small ones fastest."""
            joined = torch.cat([weights[f"{name}{part}.weight"] for part in parts])
            return nn.Parameter((joined if normed is None else joined * normed).T.contiguous())

        attention, network = scales("input_layernorm"), scales("post_attention_layernorm")
        self.query_key_value = matrix(*(f"self_attn.{p}_proj" for p in "qkv"), normed=attention)
        queries = scales("self_attn.q_norm") * self.head_size**-0.5  # attention's own scale
        norms = [queries] * self.heads[0] + [scales("self_attn.k_norm")] * self.heads[1]
        self.query_key_norm = nn.Parameter(torch.stack(norms)[:, None])
        self.output = matrix("self_attn.o_proj")
        self.gate = matrix("mlp.gate_proj", normed=network)
        self.up = matrix("mlp.up_proj", normed=network)
        self.down = matrix("mlp.down_proj")

    def forward(
        self, x: Tensor, bias: Tensor, rotation: tuple[Tensor, Tensor], cache: RowLayer | None
    ) -> Tensor:
        """Tokens (B * T, H) one layer up; ``bias`` (B, 1, T, S), 0 or minus infinity."""
        x = torch.addmm(x, self._attend(x, bias, rotation, cache), self.output)
        normed = _unit(x, self.floor)
        gate = F.silu(normed @ self.gate, inplace=True)
        return torch.addmm(x, gate.mul_(normed @ self.up), self.down)

    def _attend(
        self, x: Tensor, bias: Tensor, rotation: tuple[Tensor, Tensor], cache: RowLayer | None
    ) -> Tensor:
        """What the heads (B * T, heads * size) gather for each token."""
        rows, width = bias.shape[0], bias.shape[2]
        n, m = self.heads
        packed = _unit(x, self.floor) @ self.query_key_value
        heads = packed.view(rows, width, n + 2 * m, self.head_size).transpose(1, 2)
        query_key, value = heads.split([n + m, m], dim=1)
        query_key = _rotate(_unit(query_key, self.head_floor) * self.query_key_norm, rotation)
        query, key = query_key.split([n, m], dim=1)
        if cache is not None:
            key, value = cache.update(key, value)
        mixed = _mix(query, key, value, bias)
        return mixed.transpose(1, 2).reshape(rows * width, -1)


def _shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """The weights that a model of this configuration has, but for words and the head over them."""
    width, inner, size = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    queries, keys = (config[f"num_{kind}_heads"] * size for kind in ("attention", "key_value"))
    layer: dict[str, tuple[int, ...]] = {
        "input_layernorm": (width,),
        "post_attention_layernorm": (width,),
        "self_attn.q_norm": (size,),
        "self_attn.k_norm": (size,),
        "self_attn.q_proj": (queries, width),
        "self_attn.k_proj": (keys, width),
        "self_attn.v_proj": (keys, width),
        "self_attn.o_proj": (width, queries),
        "mlp.gate_proj": (inner, width),
        "mlp.up_proj": (inner, width),
        "mlp.down_proj": (width, inner),
    }
    layers = range(config["num_hidden_layers"])
    shapes = {f"model.layers.{i}.{n}.weight": shape for i in layers for n, shape in layer.items()}
    return shapes | {"model.norm.weight": (width,)}


def _lora_shapes(
    weights: dict[str, tuple[int, ...]], settings: dict[str, Any]
) -> dict[str, tuple[int, ...]]:
    """The adapter's tensors: two beside every matrix that it adapts."""
    shapes: dict[str, tuple[int, ...]] = {}
    rank, targets = settings["r"], settings["target_modules"]
    for name, shape in weights.items():
        module = ADAPTED + name.removesuffix(".weight")
        if len(shape) == 2 and any(module.endswith(f".{target}") for target in targets):
            shapes[f"{module}.lora_A.weight"] = (rank, shape[1])
            shapes[f"{module}.lora_B.weight"] = (shape[0], rank)
    return shapes


def _mix(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
    """Attention of queries (B, n, T, size), already scaled, over keys (B, m, S, size)."""
    if query.device.type == "cpu" and query.shape[2] <= FEW_TOKENS and len(query) > FEW_ROWS:
        return _mix_few(query, key, value, bias)
    if query.device.type == "cpu":
        return F.scaled_dot_product_attention(query, key, value, bias, scale=1.0, enable_gqa=True)
    # other devices' fast kernels take no mask with grouped queries
    groups = query.shape[1] // key.shape[1]
    key, value = (part.repeat_interleave(groups, dim=1) for part in (key, value))
    return F.scaled_dot_product_attention(query, key, value, bias, scale=1.0)


def _mix_few(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
    """The same for a query or two in each of many rows, where a CPU's own kernel is slow."""
    rows, m, visible, size = key.shape
    grouped = query.reshape(rows * m, -1, size)
    scores = torch.bmm(grouped, key.flatten(0, 1).transpose(1, 2))
    scores = scores.view(rows, -1, query.shape[2], visible).add_(bias)
    weights = scores.softmax(-1).view(rows * m, -1, visible)
    return torch.bmm(weights, value.flatten(0, 1)).view(query.shape)


def _scales(weight: Tensor) -> Tensor:
    """A root-mean-square norm's weights as factors of vectors of unit length."""
    return weight * len(weight) ** 0.5


def _floor(config: dict[str, Any], size: int) -> Tensor:
    """The length that keeps vectors of ``size`` numbers from being divided by nothing."""
    return torch.tensor((config["rms_norm_eps"] * size) ** 0.5)


def _unit(x: Tensor, floor: Tensor) -> Tensor:
    """Vectors (…, D) of length 1, but for ``floor``: a root-mean-square norm without its weights.

    Fewer and cheaper operations on a CPU than torch's own norm.
    """
    length = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
    return (x / length.hypot_(floor)).to(x.dtype)


def _rotate(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Turn each pair of coordinates (i, i + half) by its position's angle."""
    cosine, sine = rotation
    return torch.addcmul(x * cosine, x.roll(x.shape[-1] // 2, -1), sine)
