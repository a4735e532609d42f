"""How time and memory grow with the catalogue and with the log.

    python benchmarks/scale.py

Two sweeps: catalogues of 10^3 to 10^6 items with a log of 10,000 interactions, and logs of 10^4 to
10^7 interactions over 10,000 items, generated and read as a stream. Every size runs in a process of
its own: load the LE, label the log into parts, name items, step 64 users. The items' tokens are
random, since time does not depend on what they say. A run that was killed repeats no finished size.
Prints a table with the exponent of growth of each column (1: in proportion, 0: not at all), writes
JSON and a plot.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from memory import peak_mb
from rich.console import Console
from rich.table import Table

from llmrec_env.common.files import atomic_path, read_json, write_json
from llmrec_env.common.progress import track
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.log import InteractionLog
from llmrec_env.envs.common.registration import V0
from llmrec_env.envs.next_item.vector_env import NextItemVectorEnv
from llmrec_env.language.saving import SavedModel
from llmrec_env.offline import sharding as shards
from llmrec_env.users.language import EMBEDDED, LanguageUser

SIZES = {"items": (10**3, 10**4, 10**5, 10**6), "interactions": (10**4, 10**5, 10**6, 10**7)}
FIXED = {"items": 10**4, "interactions": 10**4}
STRETCH = 200_000  # interactions written at a time
USERS, STATES, STEPS = 64, 256, 128
COLUMNS = {
    "load": "s to load the LE",
    "label": "s to label the log",
    "index": "s to make the index",
    "name": "ms to name 50 items for a state",
    "step": "ms for a step of 64 users",
    "memory": "MB at most",
}
Row = dict[str, Any]


def write_le(folder: Path, n_items: int) -> None:
    """An LE of the embedded one's base model over a catalogue of ``n_items`` with random tokens."""
    from llmrec_env.language.lm.pretrained import load_base_model
    from llmrec_env.language.lm.transformers_backend import TransformersBackend
    from llmrec_env.language.model import LanguageEnvironment

    numbers = pl.int_range(n_items, eager=True)
    kinds = pl.Series(["book", "film", "record", "game"])
    words = pl.DataFrame({"n": numbers}).select(
        item_id=pl.format("i{}", "n"),
        title=pl.format("Item {} of the {} shelf", "n", pl.col("n") % 1000),
        category=kinds.gather(numbers % len(kinds)),
    )
    generator = torch.Generator().manual_seed(0)
    base, tokenizer = load_base_model(EMBEDDED / "base_model")
    size = base.config.hidden_size
    tokens = torch.randn(n_items, size, generator=generator)
    features = torch.nn.functional.normalize(torch.randn(n_items, size, generator=generator), dim=1)
    model = LanguageEnvironment(
        Catalogue(words), TransformersBackend(base, tokenizer), tokens, features
    )
    model.record["acceptance"] = SavedModel.open(EMBEDDED).description["record"]["acceptance"]
    model.save_pretrained(folder)


def write_log(folder: Path, n_items: int, n_rows: int) -> None:
    """A log in a folder of parquet files, a stretch of users in each."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    user = 0
    for number in range(-(-n_rows // STRETCH)):
        size = min(STRETCH, n_rows - number * STRETCH)
        lengths = np.clip(5 + rng.gamma(1.5, 10.0, size // 5 + 1), 5, 200).astype(np.int64)
        users = user + np.repeat(np.arange(len(lengths)), lengths)[:size]
        table = pl.DataFrame({"user": users, "item": rng.integers(0, n_items, size)})
        table.select(
            user_id=pl.format("u{}", "user"), item_id=pl.format("i{}", "item")
        ).write_parquet(folder / f"{number:05d}.parquet")
        user = int(users[-1]) + 1


def measure(simulator: Path, log: Path, scratch: Path) -> Row:
    """Everything about one size, in this process."""
    torch.set_num_threads(1)
    row: Row = {}
    row["load"] = _seconds(lambda: _load(simulator))
    user = _load(simulator)
    row["memory, load"] = peak_mb()
    row["label"] = _seconds(lambda: shards.label(log, scratch / "parts", simulator))
    row["memory, label"] = peak_mb()
    shutil.rmtree(scratch / "parts")
    rng = np.random.default_rng(0)
    nothing = np.empty(0, dtype=np.int64)
    states = rng.standard_normal((STATES, user.state_size)).astype(np.float32)
    states /= np.linalg.norm(states, axis=1, keepdims=True)
    row["index"] = _seconds(lambda: user.best_items(states[:1], 50, (nothing, nothing)))
    row["name"] = 1000 * _seconds(lambda: _name(user, states)) / STATES
    held_out = pl.scan_parquet(log).head(50 * USERS).collect()
    env = NextItemVectorEnv(
        USERS,
        simulator=user,
        users=InteractionLog.from_table(user.catalogue, held_out),
        max_episode_steps=50,
        **V0,
    )
    env.reset(seed=0)
    actions = rng.integers(0, user.n_items, (STEPS, USERS))
    row["step"] = 1000 * _seconds(lambda: [env.step(a) for a in actions]) / STEPS
    row["memory"] = peak_mb()
    return row


def _load(simulator: Path) -> LanguageUser:
    user = LanguageUser.from_pretrained(simulator)
    assert len(user.le.tables.vectors) == user.n_items
    return user


def _name(user: LanguageUser, states: np.ndarray) -> None:
    nothing = np.empty(0, dtype=np.int64)
    for first in range(0, len(states), 64):
        user.best_items(states[first : first + 64], 50, (nothing, nothing))


def _seconds(work: Any) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def run(out: Path, sizes: dict[str, tuple[int, ...]]) -> list[Row]:
    """Measure every size that ``out`` lacks."""
    cells = [("items", n, FIXED["interactions"]) for n in sizes["items"]]
    cells += [("interactions", FIXED["items"], n) for n in sizes["interactions"]]
    rows: list[Row] = read_json(out) if out.exists() else []
    for sweep, n_items, n_rows in track(cells, "sizes"):
        if any(r["sweep"] == sweep and r["size"] == [n_items, n_rows] for r in rows):
            continue
        with tempfile.TemporaryDirectory(dir=out.parent) as scratch:
            folder = Path(scratch)
            write_le(folder / "le", n_items)
            write_log(folder / "log", n_items, n_rows)
            command = [sys.executable, __file__, "--cell", scratch]
            subprocess.run(command, check=True)
            row = read_json(folder / "row.json")
        rows.append({"sweep": sweep, "size": [n_items, n_rows], **row})
        write_json(out, rows)
    return rows


def exponent(sizes: list[int], values: list[float]) -> float:
    """The slope of a line through the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def show(rows: list[Row]) -> None:
    """A table a sweep."""
    for sweep, title in (("items", "the catalogue grows"), ("interactions", "the log grows")):
        mine = [row for row in rows if row["sweep"] == sweep]
        sizes = [row["size"][0 if sweep == "items" else 1] for row in mine]
        table = Table(
            title=f"{title}; {FIXED['interactions' if sweep == 'items' else 'items']:,} "
            f"{'interactions' if sweep == 'items' else 'items'}"
        )
        table.add_column(sweep, justify="right")
        for name in COLUMNS.values():
            table.add_column(name, justify="right")
        for size, row in zip(sizes, mine, strict=True):
            table.add_row(f"{size:,}", *(f"{row[name]:.3g}" for name in COLUMNS))
        if len(mine) > 1:
            growth = (f"{exponent(sizes, [row[name] for row in mine]):.2f}" for name in COLUMNS)
            table.add_row("exponent", *growth)
        Console().print(table)


def plot(rows: list[Row], path: Path) -> None:
    """Both sweeps, each column over its value at the smallest size."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True)
    for axis, sweep in zip(axes, SIZES, strict=True):
        mine = [row for row in rows if row["sweep"] == sweep]
        sizes = [row["size"][0 if sweep == "items" else 1] for row in mine]
        for name, label in COLUMNS.items():
            if name != "index":
                values = [row[name] / mine[0][name] for row in mine]
                axis.loglog(sizes, values, marker="o", label=label)
        axis.loglog(sizes, [s / sizes[0] for s in sizes], "k:", linewidth=1, label="in proportion")
        axis.set_xlabel(f"{sweep}")
    axes[0].set_ylabel("times its value at the smallest size")
    axes[1].legend(fontsize=8)
    figure.tight_layout()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/scale/rows.json"), help="where results are written"
    )
    parser.add_argument("--largest", type=int, default=10**7, help="leave out larger sizes")
    parser.add_argument("--cell", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.cell:
        cell: Path = arguments.cell
        write_json(cell / "row.json", measure(cell / "le", cell / "log", cell))
        return
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    sizes = {name: tuple(n for n in all_ if n <= arguments.largest) for name, all_ in SIZES.items()}
    rows = run(arguments.out, sizes)
    show(rows)
    plot(rows, arguments.out.with_name("scale.png"))


if __name__ == "__main__":
    main()
