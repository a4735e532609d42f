"""How fast the shop is, what it holds in memory, and how long a search takes.

    python benchmarks/shop.py
    python benchmarks/shop.py --data path/to/webshop
    python benchmarks/shop.py --products 100000 1200000

Each catalogue is measured in a process of its own. Random valid actions (on the index page, one of
the three suggested searches), observation ``text_rich``, the valid actions listed at every step, at
most 15 steps an episode; goals are drawn from all splits, and each repeat draws others. The table
has the first run, when nearly no page was seen before, and then the median of the repeats with the
smallest and the largest.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import resource
import statistics
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from llmrec_env.common.files import write_json
from llmrec_env.common.help import HelpFormatter
from llmrec_env.common.progress import track

MAX_STEPS = 15
ROWS = 64
MEGABYTE = 1024 * 1024


def main() -> None:
    """Measure what the command line names, print a table and write JSON."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0], formatter_class=HelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the public WebShop files")
    parser.add_argument("--products", type=int, nargs="*", default=[1000], help="sizes to generate")
    parser.add_argument("--steps", type=int, default=40_000, help="steps a repeat")
    parser.add_argument("--repeats", type=int, default=5, help="how often each is timed")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/shop_speed.json"), help="where results are written"
    )
    settings = parser.parse_args()
    sources: list[Any] = list(settings.products) + ([str(settings.data)] if settings.data else [])
    context = multiprocessing.get_context("spawn")
    results = []
    for source in track(sources, "catalogues"):
        with context.Pool(1) as pool:
            work = (source, settings.steps, settings.repeats)
            results.append(pool.apply(measure, work))
    Console(width=140).print(table(results))
    write_json(settings.out, results)


def measure(source: int | str, steps: int, repeats: int) -> dict[str, Any]:
    """Everything about one catalogue."""
    began = time.perf_counter()
    import gymnasium as gym

    import llmrec_env

    gym.register_envs(llmrec_env)
    imported = time.perf_counter()
    env: Any = gym.make("LLMRec/Shop-v0", catalogue=source, split="all").unwrapped
    env.reset(seed=0)
    loaded = time.perf_counter()
    envs: Any = gym.make_vec("LLMRec/Shop-v0", num_envs=ROWS, catalogue=source, split="all")
    envs.reset(seed=0)
    searches = search_times(env)
    cold = single(env, steps, seed=0)
    one, many = [], []
    for repeat in range(repeats):  # other goals in every repeat
        one.append(single(env, steps, seed=1 + 2 * repeat))
        many.append(batched(envs, steps, seed=1_000_000 * (repeat + 1)))
    return {
        "source": str(source),
        "products": len(env.shop.inventory.catalogue),
        "goals": len(env.goals),
        "import_s": imported - began,
        "load_s": loaded - imported,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MEGABYTE,
        "private_mb": private_memory(),
        "search_ms": searches,
        "cold_steps_per_s": cold,
        "steps_per_s": one,
        "batched_steps_per_s": many,
    }


def single(env: Any, steps: int, seed: int) -> float:
    """Steps a second through the environment's own ``step``."""
    choose = random.Random(seed).choice
    _, info = env.reset(seed=seed)
    step, reset, length = env.step, env.reset, 0
    began = time.perf_counter()
    for _ in range(steps):
        _, _, terminated, _, info = step(choose(info["valid_actions"]))
        length += 1
        if terminated or length == MAX_STEPS:
            _, info = reset()
            length = 0
    return steps / (time.perf_counter() - began)


def batched(envs: Any, steps: int, seed: int) -> float:
    """Steps a second of all rows together."""
    choose = random.Random(seed).choice
    _, infos = envs.reset(seed=seed)
    n = steps // ROWS
    began = time.perf_counter()
    for _ in range(n):
        actions = [choose(valid or ("",)) for valid in infos["valid_actions"]]
        _, _, _, _, infos = envs.step(actions)
    return n * ROWS / (time.perf_counter() - began)


def search_times(env: Any) -> list[float]:
    """Milliseconds of each of 300 searches: whole instructions, and those without options."""
    rng, times = random.Random(1), []
    shop = env.shop
    for _ in range(150):
        goal = shop.goals[rng.randrange(len(shop.goals))]
        for query in shop.suggestions.of(goal.instruction)[:2]:
            began = time.perf_counter()
            shop.inventory.engine.search(query)
            times.append(1000 * (time.perf_counter() - began))
    return times


def private_memory() -> float:
    """Megabytes that this process shares with nobody; 0 where the system does not say."""
    try:
        lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    private = [line.split() for line in lines if line.startswith("Private_")]
    return sum(int(words[1]) for words in private) / 1024


def table(results: list[dict[str, Any]]) -> Table:
    """The results for a reader."""
    shown = Table("products", "goals", "load s", "peak MB", "private MB", "search ms: mean / 95%")
    shown.add_column("steps/s: first")
    shown.add_column("one")
    shown.add_column(f"{ROWS} rows")
    for result in results:
        searches = sorted(result["search_ms"])
        shown.add_row(
            f"{result['products']:,}",
            f"{result['goals']:,}",
            f"{result['load_s']:.1f}",
            f"{result['memory_mb']:,.0f}",
            f"{result['private_mb']:,.0f}",
            f"{statistics.mean(searches):.2f} / {searches[int(0.95 * len(searches))]:.2f}",
            f"{result['cold_steps_per_s']:,.0f}",
            spread(result["steps_per_s"]),
            spread(result["batched_steps_per_s"]),
        )
    return shown


def spread(values: list[float]) -> str:
    """Median with the smallest and the largest."""
    return f"{statistics.median(values):,.0f} [{min(values):,.0f}, {max(values):,.0f}]"


if __name__ == "__main__":
    main()
