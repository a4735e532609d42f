"""What agents of every library earn, whatever the actions, by the examples that a user would copy.

    python benchmarks/agents_table.py --out runs/agents
    python benchmarks/agents_table.py --out runs/agents --only "PPO" --seeds 0 1 2 --users LE
    python benchmarks/agents_table.py --out runs/agents --table

Each run is an example in a process of its own: it learns from the training users and is judged
among held-out users, each with the same luck for all agents, greedy and sampled, beside random
actions. A row is written as soon as its run has ended, a JSON file a row, with the command that
made it; a run whose row is there is not repeated. ``--table`` prints the rows as Markdown, as
docs/agents.md shows them. Libraries with environments of their own are left out where
``examples/other_libraries/make_venv.py`` did not make those.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import resource
import runpy
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from llmrec_env.common.files import write_json
from llmrec_env.common.help import HelpFormatter

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
USERS = ("LE", "TRUE")
Where = dict[str, tuple[str, ...]]
ITEMS: Where = {"LE": ("--id", "LLMRec/NextItem-v1"), "TRUE": ("--id", "LLMRec/TrueTaste-v1")}
"""The options that name the environment of either kind of users."""
CANDIDATES = {users: (*words, "--settings", "candidates=100") for users, words in ITEMS.items()}
POINTS = {users: (*words, "--settings", "actions=embedding") for users, words in ITEMS.items()}
LISTS: Where = {
    "LE": ("--id", "LLMRec/Slate-v0", "--settings", "slate_size=5"),
    "TRUE": ("--id", "LLMRec/Slate-v0", "--settings", "slate_size=5", "simulator=true-taste"),
}
LINE = re.compile(
    r"^(?P<name>\w+) +return +(?P<mean>-?[\d.]+) ± (?P<error>[\d.]+|nan)"
    r"(?: · (?P<above>[+-][\d.]+) standard errors above random)?$",
    re.MULTILINE,
)
"""What ``compare_agents`` prints."""


@dataclass(frozen=True)
class Case:
    """A library's algorithm, and the example that runs it.

    Attributes:
        name: as the table says it.
        example: a script of ``examples/`` that takes --id, --steps, --episodes and --seed.
        options: further options of it.
        needs: what the agent needed beside ``gym.make_vec``.
        steps: actions in training; 0 where nothing is learned.
        actions: what it chooses among; a case of other actions has another ``where``.
        where: the options that name the environments of the two kinds of users.
        venv: the environment that it runs in, where it is not this one.
    """

    name: str
    example: str
    options: tuple[str, ...] = ()
    needs: str = "nothing"
    steps: int = 50_000
    actions: str = "items"
    where: Where = field(default_factory=lambda: ITEMS)
    venv: str | None = None

    def command(self, users: str, seed: int, episodes: int) -> list[str]:
        """What to run, without the interpreter."""
        told = {"episodes": episodes}
        if self.steps:
            told |= {"steps": self.steps, "seed": seed}
        named = [word for name, value in told.items() for word in (f"--{name}", str(value))]
        return [f"examples/{self.example}", *self.options, *self.where[users], *named]

    def python(self) -> str:
        """The interpreter."""
        if self.venv is None:
            return sys.executable
        make_venv = runpy.run_path(str(EXAMPLES / "other_libraries" / "make_venv.py"))
        return str(make_venv["python_of"](self.venv))


def sb3(name: str, algorithm: str, more: tuple[str, ...] = (), **values: Any) -> Case:
    """An algorithm of stable-baselines3 or sb3-contrib."""
    return Case(name, "sb3_any.py", ("--algorithm", algorithm, *more), **values)


CASES = (
    sb3("stable-baselines3 PPO", "ppo"),
    sb3("stable-baselines3 PPO, its defaults", "ppo", more=("--defaults", "--count", "1")),
    sb3("stable-baselines3 PPO, its defaults, 8 users at once", "ppo", more=("--defaults",)),
    sb3("stable-baselines3 A2C", "a2c", steps=30_000),
    sb3("stable-baselines3 DQN", "dqn", steps=20_000),
    sb3("sb3-contrib MaskablePPO", "maskable_ppo", needs="masks", steps=30_000),
    sb3("sb3-contrib RecurrentPPO", "recurrent_ppo", steps=20_000),
    sb3("sb3-contrib QRDQN", "qrdqn", steps=10_000),
    Case("single-file PPO", "cleanrl_ppo.py"),
    Case("single-file DQN", "cleanrl_dqn.py", steps=20_000),
    Case("TorchRL PPO", "other_libraries/torchrl_ppo.py", steps=30_000, venv="torchrl"),
    Case("Tianshou PPO", "other_libraries/tianshou_ppo.py", venv="tianshou"),
    Case("RLlib PPO", "other_libraries/rllib_ppo.py", steps=30_000, venv="rllib"),
    Case("popular items", "popular.py", steps=0),
    Case("popular items, masked", "popular.py", ("--masks",), needs="masks", steps=0),
    sb3("stable-baselines3 PPO on 100 candidates", "ppo", actions="candidates", where=CANDIDATES),
    sb3(
        "stable-baselines3 DQN on 100 candidates",
        "dqn",
        actions="candidates",
        where=CANDIDATES,
        steps=20_000,
    ),
    sb3("stable-baselines3 TD3 on points", "td3", actions="points", where=POINTS, steps=20_000),
    sb3("stable-baselines3 SAC on points", "sac", actions="points", where=POINTS, steps=20_000),
    sb3("stable-baselines3 PPO on lists of 5", "ppo", actions="lists", where=LISTS, steps=20_000),
)
"""The rows of the table; those of other actions are cases with another ``where``."""


@dataclass(frozen=True)
class Row:
    """What a run came to; returns are means over held-out users, ``errors`` their standard errors.

    Attributes:
        case: the case's name.
        actions: its kind of actions.
        users: "LE" or "TRUE".
        seed: of the training.
        needs: what the agent needed.
        steps: actions in training.
        lines: lines of user code in the example, without comments and docstrings.
        returns: by what ``compare_agents`` prints: random, greedy, sampled.
        errors: their standard errors.
        above_random: by how many standard errors each is above random, user by user.
        seconds: of processors, training and judging, start-up and all.
        command: what was run, from the root.
        failure: why there are no returns; None where there are.
    """

    case: str
    actions: str
    users: str
    seed: int
    needs: str
    steps: int
    lines: int
    returns: dict[str, float]
    errors: dict[str, float]
    above_random: dict[str, float]
    seconds: float
    command: str
    failure: str | None = None


def user_lines(example: Path) -> int:
    """Lines with code: no comments, no docstrings, no empty lines."""
    text = example.read_text(encoding="utf-8")
    documented = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            documented |= set(range(node.lineno, (node.end_lineno or 0) + 1))
    lines = enumerate(text.splitlines(), 1)
    return sum(
        bool(line.strip()) and not line.strip().startswith("#") and number not in documented
        for number, line in lines
    )


def run(case: Case, users: str, seed: int, episodes: int, log: Path, timeout: float) -> Row:
    """Run a case; a failure is a row too."""
    command = case.command(users, seed, episodes)
    variables = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    before, failure, printed = _cpu_seconds(), None, ""
    try:
        done = subprocess.run(
            [case.python(), *command],
            cwd=ROOT,
            env=os.environ | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
        )
        printed = done.stdout
        if done.returncode:
            failure = (printed.strip().splitlines() or ["no word"])[-1]
    except subprocess.TimeoutExpired:
        failure = f"not finished after {timeout:.0f} s"
    except OSError as error:
        failure = str(error)
    log.write_text(printed, encoding="utf-8")
    told = {match["name"]: match for match in LINE.finditer(printed)}
    return Row(
        case=case.name,
        actions=case.actions,
        users=users,
        seed=seed,
        needs=case.needs,
        steps=case.steps,
        lines=user_lines(EXAMPLES / case.example),
        returns={name: float(match["mean"]) for name, match in told.items()},
        errors={name: float(match["error"]) for name, match in told.items()},
        above_random={n: float(match["above"]) for n, match in told.items() if match["above"]},
        seconds=round(_cpu_seconds() - before, 1),
        command=" ".join(["python", *command]),
        failure=failure or (None if told else "printed no returns"),
    )


def _cpu_seconds() -> float:
    """Of the processes that have ended: seconds that do not depend on who else computes here."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def read_rows(out: Path) -> list[dict[str, Any]]:
    """The rows that were written, of a folder or of one file, in the order of the cases."""
    if out.is_file():
        rows = json.loads(out.read_text(encoding="utf-8"))
    else:
        rows = [json.loads(path.read_text(encoding="utf-8")) for path in out.glob("*.json")]
    order = {case.name: place for place, case in enumerate(CASES)}
    return sorted(rows, key=lambda row: (order.get(row["case"], len(CASES)), *_key(row)))


def merged(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All rows, the new ones in the place of their older selves."""
    return list(({_key(row): row for row in old} | {_key(row): row for row in new}).values())


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["actions"], row["case"], row["users"], row["seed"]


def table(rows: Iterable[dict[str, Any]]) -> str:
    """The rows as Markdown, a line a case: means over seeds."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["actions"], row["case"]), []).append(row)
    columns = [f"{users} {way}" for users in USERS for way in ("greedy", "sampled")]
    head = ["agent", "needed", "steps", "seeds", *columns, "above random by", "seconds", "lines"]
    lines = [head, ["---"] * len(head)]
    for actions in dict.fromkeys(actions for actions, _ in groups):
        kind = [group for (of, _), group in groups.items() if of == actions]
        lines.append(_random_line(actions, kind))
        lines += [_line(group) for group in kind]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _random_line(actions: str, kind: list[list[dict[str, Any]]]) -> list[str]:
    """What random actions earn, the same in every row."""
    rows = [row for group in kind for row in group]
    cells = [cell for users in USERS for cell in (_mean(rows, users, "random"), "")]
    return [f"random {actions}", "", "", "", *cells, "", "", ""]


def _line(group: list[dict[str, Any]]) -> list[str]:
    """A case: its returns, and by how many standard errors the worst of them is above random."""
    first = group[0]
    ways = [_mean(group, users, way) for users in USERS for way in ("greedy", "sampled")]
    above = [value for row in group for value in row["above_random"].values()]
    return [
        first["case"],
        first["needs"],
        f"{first['steps']:,}" if first["steps"] else "",
        _seeds(group) if first["steps"] else "",
        *ways,
        f"{min(above):.1f}" if above else "",
        f"{statistics.mean(row['seconds'] for row in group):.0f}",
        str(first["lines"]),
    ]


def _seeds(group: list[dict[str, Any]]) -> str:
    """How many seeds were run, of each kind of users where that differs."""
    counts = [str(sum(row["users"] == users for row in group)) for users in USERS]
    return " / ".join(dict.fromkeys(counts))


def _mean(rows: list[dict[str, Any]], users: str, way: str) -> str:
    """The mean over seeds with the mean standard error; empty where nothing was returned."""
    rows = [row for row in rows if row["users"] == users]
    failed = [row for row in rows if row["failure"]]
    found = [(row["returns"][way], row["errors"][way]) for row in rows if way in row["returns"]]
    if not found:
        return "failed" if failed else "" if rows else "not run"
    mean, error = (statistics.mean(column) for column in zip(*found, strict=True))
    return f"{mean:.2f} ± {error:.2f}"


def wanted(arguments: argparse.Namespace) -> Iterator[tuple[Case, str, int]]:
    """The runs that are asked for: all cases with the first seed, then with the next."""
    for seed in arguments.seeds:
        for case in CASES:
            for users in arguments.users:
                if arguments.only is None or re.search(arguments.only, case.name):
                    yield case, users, seed


def main(arguments: argparse.Namespace) -> None:
    """Run what is missing, then print the table."""
    out = Path(arguments.out)
    if not arguments.table:
        out.mkdir(parents=True, exist_ok=True)
        for case, users, seed in wanted(arguments):
            name = re.sub(r"\W+", "_", f"{case.actions} {case.name} {users} {seed}")
            if (out / f"{name}.json").exists():
                continue
            if not Path(case.python()).exists():
                print(f"{case.name}: no {case.python()}", flush=True)
                continue
            start = time.perf_counter()
            log = out / f"{name}.log"
            row = run(case, users, seed, arguments.episodes, log, arguments.timeout)
            write_json(out / f"{name}.json", asdict(row))
            told = row.failure or f"{row.returns} {row.above_random}"
            print(f"{name}: {told} · {time.perf_counter() - start:.0f} s", flush=True)
    rows = read_rows(out)
    if arguments.into:
        into = Path(arguments.into)
        write_json(into, merged(read_rows(into) if into.exists() else [], rows))
        rows = read_rows(into)
    print(table(rows))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=HelpFormatter
    )
    parser.add_argument("--out", default="runs/agents", help="folder of the rows, or one file")
    parser.add_argument("--only", help="a pattern of the cases' names")
    parser.add_argument("--users", nargs="+", choices=USERS, default=USERS, help="who answers")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="seeds, one run each")
    parser.add_argument("--episodes", type=int, default=100, help="held-out users")
    parser.add_argument("--timeout", type=float, default=900, help="seconds of a run")
    parser.add_argument("--into", help="a file of rows that these are added to")
    parser.add_argument("--table", action="store_true", help="print the rows that are there")
    main(parser.parse_args())
