"""Kills each command that can go on, at random moments, and compares what its repeat makes.

Every command runs once undisturbed and is timed. Then it runs again and again, each time killed at
a seeded random moment of that time, by SIGKILL or by SIGTERM, and is repeated, killed or not, until
it ends. Its files must be those of the undisturbed run, byte for byte, but for the seconds that a
run took.

    python benchmarks/crash.py --kills 8 --out runs/crash.json
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from llmrec_env.common.files import write_json
from llmrec_env.common.progress import progress_bar
from llmrec_env.data.world.generated import generate_world

COMMANDS = {
    "fit": "fit --data data --budget 0.3 --epochs 4 --min-steps 30 --out",
    "train": "train --data data --objective snqn --no-augment --no-state --no-reward --out",
    "label": "label --log log.parquet --augment 1 --shard-rows 150 --out",
    "collect": "collect --simulator true-taste --policy popular --episodes 3000 --out",
    "shop train": "shop train --catalogue 60 --rollouts 20 --out",
    "demo": "demo --data data --budget 0.05 --workers 2 --out",
    "bench": "bench --data data --budget 0.1 --backbones sasrec --seeds 1 --splits 1 --trials 0 "
    "--epochs 2 --workers 1 --methods plain,SNQN --out",
    "bench offline": "bench offline --algorithms bc,dqn --datasets logged,reward --seeds 1 "
    "--steps 30 --episodes 5 --workers 1 --out",
}
"""Each command with short settings; a folder follows."""
SECONDS = re.compile(rb'"(?:[^"]*seconds[^"]*|serving)": (?:\{[^}]*\}|[0-9.e-]+)')
NO_RESULTS = ("config.json", "report.html", ".png", "seconds.json", "costs.json")
TIMED = {
    "demo": ("results.md",),
    "bench": ("results.json", "results.md", "runs.csv", "runs.parquet"),
    "bench offline": ("runs.csv", "runs.parquet"),
}
"""Files that say how long a run took, or are pictures of others; their rows stand in others too."""
ROUNDS = 40


@dataclass
class Outcome:
    """What became of one killed run.

    Attributes:
        kills: how often it was killed while it ran.
        verdict: "same bytes", "other bytes", "refused" (a repeat did not go on) or "lost" (a file
            is left over or missing).
        told: what the command said where it was refused.
    """

    kills: int
    verdict: str
    told: str = ""


class Runner:
    """Runs commands in a folder with small data and a cache of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        log = generate_world(seed=1, n_items=60, n_users=80).log
        (folder / "data").mkdir()
        log.to_table().write_csv(folder / "data" / "interactions.csv")
        log.catalogue.table.write_csv(folder / "data" / "items.csv")
        from llmrec_env.users.language import embedded_user

        users = embedded_user().users
        assert users is not None
        users.select_users(range(40)).save(folder / "log.parquet")

    def start(self, command: str, out: str) -> subprocess.Popen[str]:
        """Begin a command, which writes to ``out``."""
        environment = {**os.environ, "LLMREC_CACHE": str(self.folder / f"cache-{out}")}
        environment |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        return subprocess.Popen(
            [sys.executable, "-m", "llmrec_env.cli", *COMMANDS[command].split(), out],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def files(self, command: str, out: str) -> dict[str, bytes]:
        """What a command left, by name, without the seconds that it took."""
        timed = tuple(f"{out}/{name}" for name in TIMED.get(command, ()))
        found = {}
        for path in sorted(self.folder.glob(f"{out}*")) + sorted(self.folder.glob(f".{out}*")):
            inside = sorted(path.rglob("*")) if path.is_dir() else [path]
            for file in inside:
                name = file.relative_to(self.folder).as_posix()
                if file.is_file() and not name.endswith(NO_RESULTS) and name not in timed:
                    found[name.replace(out, "OUT", 1)] = without_seconds(file)
        return found

    def clear(self, out: str) -> None:
        """Remove what a command left."""
        for path in [*self.folder.glob(f"{out}*"), *self.folder.glob(f".{out}*")]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.rmtree(self.folder / f"cache-{out}", ignore_errors=True)


def without_seconds(file: Path) -> bytes:
    """What a file holds but for the seconds that a run took, also in columns of its tables."""
    content = SECONDS.sub(b"", file.read_bytes())
    if file.name != "results.json":
        return content
    return json.dumps(_untimed(json.loads(file.read_bytes()))).encode()


def _untimed(value: Any) -> Any:
    if isinstance(value, list):
        return [_untimed(one) for one in value]
    if not isinstance(value, dict):
        return value
    columns = value.get("columns", [])
    if "seconds" in columns:
        place = columns.index("seconds")
        value = {**value, "rows": [row[:place] + row[place + 1 :] for row in value["rows"]]}
    return {name: _untimed(one) for name, one in value.items()}


def undisturbed(runner: Runner, command: str) -> tuple[dict[str, bytes], float]:
    """The files of a run that nobody kills, and its seconds."""
    began = time.monotonic()
    process = runner.start(command, "whole")
    _, told = process.communicate()
    if process.returncode:
        raise SystemExit(f"{command} fails undisturbed:\n{told}")
    seconds, files = time.monotonic() - began, runner.files(command, "whole")
    runner.clear("whole")
    return files, seconds


def killed(
    runner: Runner, command: str, expected: dict[str, bytes], seconds: float, rng: random.Random
) -> Outcome:
    """One run, killed at random moments until a try comes to its end."""
    kills = 0
    for number in range(ROUNDS):
        process = runner.start(command, "killed")
        moment = rng.uniform(0.0, 1.1) * seconds if number < 3 else None
        try:
            _, told = process.communicate(timeout=moment)
        except subprocess.TimeoutExpired:
            how = rng.choice([signal.SIGKILL, signal.SIGTERM])
            process.send_signal(how)
            _, told = process.communicate()
            kills += 1
            stopped = process.returncode in (-signal.SIGKILL, -signal.SIGTERM, 143)
            if stopped or process.returncode == 0:
                continue
        if process.returncode:
            return Outcome(kills, "refused", told.strip()[-300:])
        return Outcome(kills, *compared(runner.files(command, "killed"), expected))
    return Outcome(kills, "lost", "it never came to its end")


def compared(found: dict[str, bytes], expected: dict[str, bytes]) -> tuple[str, str]:
    """Whether two runs left the same, and where they first differ."""
    if set(found) != set(expected):
        return "lost", f"files differ: {sorted(set(found) ^ set(expected))[:4]}"
    others = [name for name in expected if found[name] != expected[name]]
    return ("other bytes", str(others[:4])) if others else ("same bytes", "")


def outcomes(runner: Runner, command: str, least: int, rng: random.Random) -> Iterator[Outcome]:
    """Runs of a command until it was killed as often as asked."""
    expected, seconds = undisturbed(runner, command)
    kills = 0
    with progress_bar(f"kill `llmrec {command}`", least) as advance:
        while kills < least:
            outcome = killed(runner, command, expected, seconds, rng)
            runner.clear("killed")
            kills += outcome.kills
            advance(outcome.kills, outcome.verdict)
            yield outcome


def table(results: dict[str, list[Outcome]]) -> Table:
    """Counts by command."""
    shown = Table(title="Killed commands, repeated until they end")
    for column in ("command", "runs", "kills", "same bytes", "other bytes", "refused", "lost"):
        shown.add_column(column, justify="left" if column == "command" else "right")
    for command, listed in results.items():
        counts = Counter(outcome.verdict for outcome in listed)
        cells = [counts[verdict] for verdict in ("same bytes", "other bytes", "refused", "lost")]
        numbers = [len(listed), sum(outcome.kills for outcome in listed), *cells]
        shown.add_row(f"llmrec {command}", *map(str, numbers))
    return shown


def main() -> None:
    """Kill, repeat, compare, and print the counts."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=8, help="kills of each command at least")
    parser.add_argument("--commands", default=",".join(COMMANDS), help="which, with commas")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/crash.json"), help="where results are written"
    )
    arguments = parser.parse_args()
    results: dict[str, list[Outcome]] = {}
    for command in arguments.commands.split(","):
        rng = random.Random(f"{arguments.seed} {command}")
        with tempfile.TemporaryDirectory() as scratch:
            runner = Runner(Path(scratch))
            results[command] = []
            for outcome in outcomes(runner, command, arguments.kills, rng):
                results[command].append(outcome)
                plain = {name: [vars(one) for one in listed] for name, listed in results.items()}
                write_json(arguments.out, plain)
                if outcome.told:
                    Console(stderr=True).print(f"{command}: {outcome}", markup=False)
    Console().print(table(results))


if __name__ == "__main__":
    main()
