"""What a large model on GPUs would do, by its arithmetic: an estimate, not a measurement.

    python benchmarks/large_models.py

Assumes, and the options change:

* reading costs 2 operations a parameter and token, and the GPU reaches ``--utilisation`` of its
  peak at it; so does labelling, times ``--labelling-share``, the share of the bare model's speed
  that ``benchmarks/simulator.py`` measures for labelling;
* a decode step moves all weights and the cache of every user once from memory, at
  ``--bandwidth-share`` of the peak, or computes if that takes longer, and our own work of a step
  stays what it is here beside the bare model (``--overhead-ms``, measured on a CPU);
* several GPUs hold a copy of the model each and share nothing but a list of shards or of users.

Before that it measures, on one core of this machine, how many interactions a second the embedded LE
labels, and what share of the core's speed at multiplying large matrices that is.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table

from llmrec_env.language.labelling import label_log
from llmrec_env.users.language import embedded_user

PROMPT_TOKENS = 60 + 21 * 12  # an instruction, twenty titles with categories and the item
WINDOW = 64


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "--parameters", type=float, default=7e9, help="parameters of the language model"
    )
    parser.add_argument("--layers", type=int, default=32, help="layers of the language model")
    parser.add_argument("--kv-heads", type=int, default=8, help="heads of keys and values")
    parser.add_argument("--head-size", type=int, default=128, help="numbers of an attention head")
    parser.add_argument("--bytes", type=int, default=2, help="of a number: bfloat16")
    parser.add_argument("--peak", type=float, default=989e12, help="operations a second (H100)")
    parser.add_argument("--bandwidth", type=float, default=3.35e12, help="bytes a second (H100)")
    parser.add_argument(
        "--utilisation",
        type=float,
        default=0.4,
        help="share of the peak arithmetic that is reached",
    )
    parser.add_argument(
        "--bandwidth-share",
        type=float,
        default=0.7,
        help="share of the memory bandwidth that is reached",
    )
    parser.add_argument(
        "--labelling-share",
        type=float,
        default=0.9,
        help="share of the bare model's speed at which labelling goes",
    )
    parser.add_argument(
        "--overhead-ms",
        type=float,
        default=2.0,
        help="milliseconds of a step beside the language model",
    )
    measure()
    show(parser.parse_args())


def measure() -> None:
    """Print the embedded LE's labelling speed on this core, and the utilisation that it means."""
    torch.set_num_threads(1)
    user = embedded_user()
    assert user.users is not None
    parameters = sum(p.numel() for p in user.model.backend.parameters())
    square = torch.randn(1024, 1024)
    rates, peaks = [], []
    for _ in range(5):
        rates.append(len(user.users) / seconds(lambda: label_log(user.le, user.users)))
        peaks.append(2 * 1024**3 / seconds(lambda: square @ square))
    rate, peak = statistics.median(rates), statistics.median(peaks)
    used = 2 * parameters * rate / peak
    Console().print(
        f"Measured on one core: {rate:,.0f} interactions a second labelled by {parameters:,} "
        f"parameters; {peak / 1e9:.0f} GFLOP/s of matrix product; utilisation {used:.2f}"
    )


def seconds(work: Callable[[], object]) -> float:
    """Seconds of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def show(given: argparse.Namespace) -> None:
    """One line a task, for one GPU and for eight."""
    operations = given.peak * given.utilisation
    a_token = 2 * given.parameters / operations
    labelled = given.labelling_share / a_token
    rows = [("interactions labelled a second", labelled, labelled * 8, "")]
    seconds = 1e7 / labelled
    rows.append(("seconds to label 10,000,000", seconds, seconds / 8, ""))
    for users in (1, 64, 512):
        step = step_seconds(given, users)
        rows.append(
            (
                f"steps a second, {users} users a GPU",
                users / step,
                8 * users / step,
                f"{1000 * step:.1f} ms a step",
            )
        )
    prompts = 1 / (PROMPT_TOKENS * a_token)
    rows.append(("text prompts a second", prompts, prompts * 8, f"{PROMPT_TOKENS} tokens each"))
    name = f"{given.parameters / 1e9:g}B parameters, estimated"
    table = Table("", "one GPU", "eight", "", title=name)
    for what, one, eight, note in rows:
        table.add_row(what, f"{one:,.0f}", f"{eight:,.0f}", note)
    Console().print(table)


def step_seconds(given: argparse.Namespace, users: int) -> float:
    """Seconds of one decode step of ``users`` users, their windows full, and of our own work."""
    cache = 2 * given.layers * given.kv_heads * given.head_size * given.bytes * WINDOW * users
    weights = given.parameters * given.bytes
    moved = (weights + cache) / (given.bandwidth * given.bandwidth_share)
    computed = 2 * given.parameters * users / (given.peak * given.utilisation)
    return max(moved, computed) + given.overhead_ms / 1000


if __name__ == "__main__":
    main()
