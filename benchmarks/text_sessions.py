"""How fast sessions of text shop in one process and behind an OpenEnv server, and what they hold.

    python benchmarks/text_sessions.py
    python benchmarks/text_sessions.py --data path/to/webshop
    .venvs/openenv/bin/python benchmarks/text_sessions.py --only server

Each measurement runs in a process of its own. Random valid actions (on the index page, one of the
three suggested searches), pages of at most 1,024 tokens, at most 15 steps an episode, goals of all
splits. Steps a second are told by the clock, and by the processor time of the process: a machine
with other work on it has less of the first. The table has the median of the repeats with the
smallest and the largest; what the first run of a fresh process takes, when nearly no page was
rendered before, stands apart. Memory is the resident set, after every session has gone 15 steps.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import random
import re
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from llmrec_env.common.files import write_json
from llmrec_env.common.help import HelpFormatter
from llmrec_env.common.progress import track

ROWS, CLIENTS, MAX_STEPS = 64, 16, 15
SESSIONS = (1, 64, 1024)
PARTS = ("steps", "server", "memory")


def main() -> None:
    """Measure what the command line names, print tables and write JSON."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0], formatter_class=HelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the public WebShop files, beside")
    parser.add_argument("--products", type=int, default=1000, help="to generate")
    parser.add_argument("--steps", type=int, default=40_000, help="a repeat; a tenth on the server")
    parser.add_argument("--repeats", type=int, default=5, help="how often each is timed")
    parser.add_argument(
        "--only", nargs="*", choices=PARTS, default=["steps", "memory"], help="parts to measure"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs/text_sessions.json"),
        help="where results are written",
    )
    settings = parser.parse_args()
    sources = [settings.products, *([str(settings.data)] if settings.data else [])]
    work: list[tuple[Callable[..., dict[str, Any]], tuple[Any, ...]]] = []
    for source in sources:
        if "steps" in settings.only:
            for measure in (by_text, by_index):
                work.append((measure, (source, settings.steps, settings.repeats)))
        if "server" in settings.only:
            work.append((server, (source, settings.steps // 10, settings.repeats)))
        if "memory" in settings.only:
            work += [(memory, (source, kind, n)) for kind in ("loops", "tools") for n in SESSIONS]
    results = []
    for measure, arguments in track(work, "measurements"):
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            results.append(pool.submit(measure, *arguments).result())
    show(results)
    write_json(settings.out, results)


def by_text(source: int | str, steps: int, repeats: int) -> dict[str, Any]:
    """Whole answers to pages with their actions."""
    from llmrec_env.envs.language_agents import TextLoops

    loops = TextLoops(ROWS, catalogue=source, split="all", max_steps=MAX_STEPS)

    def run(seed: int) -> int:
        choose = random.Random(seed).choice
        _, infos = loops.reset(seed=seed)
        taken, ended = 0, [False] * ROWS
        while taken < steps:
            answers = [
                f"I go on. <action>{choose(info['valid_actions'] or ('x',))}</action>"
                for info in infos
            ]
            taken += sum(not done for done in ended)  # who is done waits for the others
            _, _, dones, infos = loops.step(answers)
            ended = dones.tolist()
            if all(ended):
                _, infos = loops.reset()
                ended = [False] * ROWS
        return taken

    return repeated(f"{ROWS} sessions, whole answers", source, run, repeats)


def by_index(source: int | str, steps: int, repeats: int) -> dict[str, Any]:
    """Numbers of actions, to the same pages."""
    import gymnasium as gym
    import numpy as np

    import llmrec_env

    gym.register_envs(llmrec_env)
    envs: Any = gym.make_vec(
        "LLMRec/Shop-v0",
        num_envs=ROWS,
        catalogue=source,
        split="all",
        observation="prompt",
        action_mode="index",
    )

    def run(seed: int) -> int:
        generator = np.random.default_rng(seed)
        _, infos = envs.reset(seed=seed)
        taken = 0
        while taken < steps:
            counts = infos["action_mask"].sum(axis=1)
            actions = (generator.random(ROWS) * np.maximum(counts, 1)).astype(np.int64)
            _, _, _, _, infos = envs.step(actions)
            taken += ROWS
        return taken

    return repeated(f"{ROWS} sessions, by index", source, run, repeats)


def server(source: int | str, steps: int, repeats: int) -> dict[str, Any]:
    """Clients of one OpenEnv server, all in one process of their own."""
    context = multiprocessing.get_context("spawn")
    told = context.SimpleQueue()
    serving = context.Process(target=serve_shop, args=(source, told))
    serving.start()
    url = told.get()

    def run(seed: int) -> int:
        return sum(asyncio.run(all_clients(url, steps // CLIENTS, seed)))

    def processor() -> float:
        return processor_time(serving.pid)

    result = repeated(f"{CLIENTS} clients of a server", source, run, repeats, processor)
    serving.terminate()
    return result


def serve_shop(source: int | str, told: Any) -> None:
    """The server's process."""
    from llmrec_env.envs.language_agents.openenv import shop_app
    from llmrec_env.web.serving import address_of, listen, serve

    app = shop_app(CLIENTS, catalogue=source, split="all")
    with listen("127.0.0.1", 0) as bound:
        told.put(address_of(bound))
        serve(app, bound)


async def all_clients(url: str, steps: int, seed: int) -> list[int]:
    """The steps that each client took."""
    return await asyncio.gather(*[client(url, steps, seed + i) for i in range(CLIENTS)])


async def client(url: str, steps: int, seed: int) -> int:
    """One of them."""
    from llmrec_env.envs.language_agents.openenv import ShopClient

    choose, taken = random.Random(seed).choice, 0
    async with ShopClient(base_url=url) as shop:
        while taken < steps:
            result = await shop.reset(seed=seed + taken)
            while not result.done:
                action = choose(result.observation.valid_actions)
                result = await shop.step(f"<action>{action}</action>")
                taken += 1
    return taken


def memory(source: int | str, kind: str, n: int) -> dict[str, Any]:
    """The resident set with ``n`` sessions, as a batch of loops or as objects with tools."""
    from llmrec_env.envs.language_agents import ShopTools, TextLoops

    if kind == "loops":
        loops = TextLoops(n, catalogue=source, split="all", max_steps=MAX_STEPS)
        _, infos = loops.reset(seed=0)
        choose = random.Random(0).choice
        for _ in range(MAX_STEPS):
            answers = [choose(info["valid_actions"] or ("x",)) for info in infos]
            _, _, dones, infos = loops.step(answers)
            if dones.all():
                break
        return remembered("TextLoops", source, n)
    tools = [ShopTools(seed=i, catalogue=source, split="all") for i in range(n)]
    for own in tools:
        said = own.reset()
        page = own.search(said.split("\n", 1)[0].removeprefix("Instruction: "))
        own.open_product(re.findall(r"^\[([a-z0-9]{6,10})\]$", page, re.MULTILINE)[0])
    return remembered("ShopTools", source, n)


def repeated(
    what: str,
    source: int | str,
    run: Callable[[int], int],
    repeats: int,
    processor: Callable[[], float] = time.process_time,
) -> dict[str, Any]:
    """Steps a second, by the clock and of processor time; of the first run, and of the others."""
    wall, cpu = [], []
    for repeat in range(repeats + 1):  # other goals in every repeat
        began, used = time.perf_counter(), processor()
        steps = run(1_000_000 * repeat)
        wall.append(steps / (time.perf_counter() - began))
        cpu.append(steps / max(processor() - used, 1e-9))
    return {
        "what": what,
        "source": str(source),
        "first_per_cpu_s": cpu[0],
        "steps_per_s": wall[1:],
        "steps_per_cpu_s": cpu[1:],
    }


def remembered(what: str, source: int | str, n: int) -> dict[str, Any]:
    """What this process holds in memory now."""
    return {"what": what, "source": str(source), "sessions": n, "mb": resident()}


def resident() -> float:
    """Megabytes of the resident set."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def processor_time(pid: int | None) -> float:
    """Seconds that another process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def show(results: list[dict[str, Any]]) -> None:
    """Print the results for a reader."""
    console = Console(width=140)
    speed = Table("what", "catalogue", "first, a CPU s", "steps a CPU s", "steps a s by the clock")
    for row in results:
        if "steps_per_s" in row:
            first = f"{row['first_per_cpu_s']:,.0f}"
            speeds = spread(row["steps_per_cpu_s"]), spread(row["steps_per_s"])
            speed.add_row(row["what"], named(row["source"]), first, *speeds)
    held = Table("what", "catalogue", "sessions", "MB")
    for row in results:
        if "mb" in row:
            cells = row["what"], named(row["source"]), f"{row['sessions']:,}", f"{row['mb']:,.0f}"
            held.add_row(*cells)
    for table in (speed, held):
        if table.row_count:
            console.print(table)


def named(source: str) -> str:
    """A catalogue in a cell."""
    return f"{int(source):,} generated" if source.isdecimal() else "public"


def spread(values: list[float]) -> str:
    """Median with the smallest and the largest."""
    return f"{statistics.median(values):,.0f} [{min(values):,.0f}, {max(values):,.0f}]"


if __name__ == "__main__":
    main()
