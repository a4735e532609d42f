"""Fast, memory-saving softmax over a whole catalogue, for next-item losses and Q-values.

Next-item prediction compares one item with all others at P states, so nearly all of its time goes
into a matrix (P, n_items) of which only the row sums are needed, and the few entries that the
targets name. Here the matrix is made once, overwritten in place and, in bfloat16 where the machine
multiplies that fast, half as wide. The entries that are learned from are computed apart, in float32
(:func:`linear_entries`).
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Precision = Literal["auto", "float32", "bfloat16"]


def product_dtype(precision: Precision, device: torch.device | str) -> torch.dtype:
    """The number format of products over the catalogue.

    "auto" is bfloat16 on a GPU, and on a CPU that has instructions for it; else float32.
    """
    if precision == "auto":
        has_instructions = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
        fast = torch.device(device).type != "cpu" or has_instructions()
        return torch.bfloat16 if fast else torch.float32
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


def log_normaliser(states: Tensor, table: Tensor, bias: Tensor, dtype: torch.dtype) -> Tensor:
    """``log sum_j exp(states @ table[j] + bias[j])``, float32 (P,).

    Args:
        states: float32 (P, d).
        table: float32 (n_items, d).
        bias: float32 (n_items,).
        dtype: of the products, forward and backward; sums over items are in float32.
    """
    normaliser: Tensor = _LogNormaliser.apply(states, table, bias, dtype)
    return normaliser


def linear_entries(states: Tensor, table: Tensor, bias: Tensor, rows: Tensor) -> Tensor:
    """``states[p] @ table[rows[p, j]] + bias[rows[p, j]]``, float32 (P, J), for int64 (P, J)."""
    return torch.einsum("pd,pjd->pj", states, F.embedding(rows, table)) + bias[rows]


@torch.no_grad()
def best_entries(states: Tensor, table: Tensor, bias: Tensor, dtype: torch.dtype) -> Tensor:
    """``argmax_j states @ table[j] + bias[j]``, int64 (P,), no gradient."""
    return _product(states, table, bias, dtype).max(dim=1).indices


class _LogNormaliser(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, states: Tensor, table: Tensor, bias: Tensor, dtype: torch.dtype
    ) -> Tensor:
        terms = _product(states, table, bias, dtype)
        largest = terms.amax(dim=1, keepdim=True)
        terms.sub_(largest).exp_()
        sums = terms.sum(dim=1, dtype=torch.float32)
        ctx.save_for_backward(states, table, terms, sums)
        return largest[:, 0].float() + sums.log()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        states, table, terms, sums = ctx.saved_tensors
        # The rows of the softmax are scaled beside the product, not in the wide matrix.
        scale = (gradient / sums)[:, None]
        scaled = (scale * states).to(terms.dtype)
        to_states = scale * (terms @ table.to(terms.dtype)).float()
        to_table = (terms.T @ scaled).float()
        to_bias = (terms.T @ scale.to(terms.dtype)).float()[:, 0]
        return to_states, to_table, to_bias, None


def _product(states: Tensor, table: Tensor, bias: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.addmm(bias.to(dtype), states.to(dtype), table.to(dtype).T)
