"""What a softmax over a whole catalogue costs in learning, beside torch's cross-entropy.

    python benchmarks/softmax.py

One thread; forward and backward of next-item prediction at some states, without the encoder.
Milliseconds, medians over rounds in turn, and the ratio to cross-entropy.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from llmrec_env.common.softmax import linear_entries, log_normaliser


def plain(states: Tensor, table: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    """As one would write it."""
    return F.cross_entropy(F.linear(states, table, bias), targets)


def ours(
    dtype: torch.dtype, states: Tensor, table: Tensor, bias: Tensor, targets: Tensor
) -> Tensor:
    """As the recommenders and the LE learn."""
    own = linear_entries(states, table, bias, targets[:, None])[:, 0]
    return (log_normaliser(states, table, bias, dtype) - own).mean()


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--states", type=int, default=512, help="states that are scored at once")
    parser.add_argument("--items", type=int, default=4344, help="items of the catalogue")
    parser.add_argument("--dim", type=int, default=64, help="length of a vector")
    parser.add_argument("--rounds", type=int, default=50, help="how often each is timed")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    inputs = [
        torch.randn(*shape).requires_grad_()
        for shape in (
            (arguments.states, arguments.dim),
            (arguments.items, arguments.dim),
            (arguments.items,),
        )
    ]
    targets = torch.randint(arguments.items, (arguments.states,))
    ways: dict[str, Callable[..., Tensor]] = {
        "cross-entropy": plain,
        "ours, float32": partial(ours, torch.float32),
        "ours, bfloat16": partial(ours, torch.bfloat16),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(arguments.rounds):
        for name, loss in ways.items():
            began = time.perf_counter()
            torch.autograd.grad(loss(*inputs, targets), inputs)
            times[name].append(1000 * (time.perf_counter() - began))
    first = float(np.median(times["cross-entropy"]))
    print(f"{arguments.states} states, {arguments.items:,} items, dim {arguments.dim}")
    for name, found in times.items():
        print(f"{name}: {np.median(found):.1f} ms, ratio {np.median(found) / first:.2f}")


if __name__ == "__main__":
    main()
