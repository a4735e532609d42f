"""How fast the simulated user is, as ratios within one run.

    python benchmarks/simulator.py

The two sides of every ratio are timed in turns, several times; the table shows the median with the
smallest and the largest. Steps are averaged over two blocks of the moving window and more, so that
what re-reading a moved window costs is in them. Prints a table and writes JSON.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import polars as pl
import torch
from baselines import BareModel, TextPrompts
from rich.console import Console
from rich.table import Table

import llmrec_env
from llmrec_env.common.files import write_json
from llmrec_env.common.help import HelpFormatter
from llmrec_env.common.progress import track
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.windows import chunk_log
from llmrec_env.envs.common.registration import V0
from llmrec_env.envs.next_item.vector_env import NextItemVectorEnv
from llmrec_env.envs.slate.vector_env import SlateVectorEnv
from llmrec_env.language.labelling import label_log, tokens_at_once
from llmrec_env.users.language import EMBEDDED, LanguageUser

gym.register_envs(llmrec_env)

USERS = 64
FOREVER = 10**9  # a patience that no episode uses up
Timed = Callable[[], float]


@dataclass(frozen=True)
class Ratio:
    """One line of the table.

    Attributes:
        name: what is divided by what.
        goal: the bound, None where the line is for information.
        at_most: whether the bound is an upper one.
        values: one ratio a repeat.
        seconds: medians of both sides, in the units of the line.
        note: what the sides are.
    """

    name: str
    values: list[float]
    seconds: tuple[float, float]
    note: str
    goal: float | None = None
    at_most: bool = False

    @property
    def median(self) -> float:
        """The middle of the repeats."""
        return statistics.median(self.values)

    @property
    def reached(self) -> bool | None:
        """Whether the goal is."""
        if self.goal is None:
            return None
        return self.median <= self.goal if self.at_most else self.median >= self.goal


class Bench:
    """The model on trial, and everything measured about it."""

    def __init__(
        self, folder: Path, device: str, dtype: str, repeats: int, version: int = 1
    ) -> None:
        self.user = LanguageUser.from_pretrained(folder, device=device, dtype=getattr(torch, dtype))
        self.folder = folder
        self.bare = BareModel(folder, self.user.model)
        self.repeats = repeats
        self.rules: dict[str, Any] = V0 if version == 0 else {}
        self.rng = np.random.default_rng(0)

    def all(self) -> Iterator[Callable[[], list[Ratio]]]:
        """The measurements, in the order of the table."""
        yield from (self.steps, self.single_step, self.text_prompts, self.labelling)
        yield from (self.prompt_a_transition, self.candidates, self.slates, self.late_steps)
        yield from (self.skips, self.memory, self.collection)

    # what is timed -------------------------------------------------------------------------------

    def envs(self, rows: int, **settings: Any) -> NextItemVectorEnv:
        """A batched environment without end."""
        defaults = {"patience": FOREVER, "simulator": self.user}
        return NextItemVectorEnv(rows, **{**defaults, **self.rules, **settings})

    def actions(self, steps: int, rows: int) -> np.ndarray:
        """Unseen items where the catalogue lasts: no row is shown an item twice; (steps, rows)."""
        n = self.user.n_items
        each = [self.rng.permutation(n) for _ in range(rows)]
        return np.stack(each, axis=1)[np.arange(steps) % n]

    def lengths(self, env: Any) -> np.ndarray:
        """Items in the cache of each row."""
        return (
            env.unwrapped.rules.session._decoder._length[: env.unwrapped.rules.num_rows]
            .cpu()
            .numpy()
        )

    def step_time(self, env: Any, actions: np.ndarray) -> float:
        """Seconds a step over these actions."""
        return self.clock(lambda: [env.step(a) for a in actions]) / len(actions)

    def clock(self, work: Callable[[], object]) -> float:
        """Seconds of one call, with the device's queue emptied before and after."""
        self.wait()
        began = time.perf_counter()
        with torch.inference_mode():
            work()
        self.wait()
        return time.perf_counter() - began

    def wait(self) -> None:
        """Let the device finish."""
        if self.user.model.device.type == "cuda":
            torch.cuda.synchronize()

    def compare(
        self,
        name: str,
        ours: Timed,
        others: dict[str, Timed],
        goal: float | None = None,
        note: str = "",
    ) -> Ratio:
        """Time of the fastest of ``others`` over ours, in turns."""
        ours(), [other() for other in others.values()]  # warm up
        rounds = []
        for _ in range(self.repeats):
            mine = ours()
            rounds.append((mine, {name: other() for name, other in others.items()}))
        medians = {n: statistics.median(r[1][n] for r in rounds) for n in others}
        fastest = min(medians, key=lambda n: medians[n])
        values = [theirs[fastest] / mine for mine, theirs in rounds]
        seconds = statistics.median(mine for mine, _ in rounds), medians[fastest]
        return Ratio(name, values, seconds, f"{note}{fastest}", goal)

    # the lines of the table ----------------------------------------------------------------------

    def steps(self) -> list[Ratio]:
        """A step of 64 users against one raw decode of the same batch and cache length."""
        env = self.envs(USERS)
        return self._against_decode(env, USERS, "step of 64 users", 0.70)

    def single_step(self) -> list[Ratio]:
        """A step of the single environment, as ``gym.make`` gives it, against a raw decode."""
        env = gym.make(
            "LLMRec/NextItem-v1",
            simulator=self.user,
            patience=FOREVER,
            max_episode_steps=FOREVER,
            disable_env_checker=True,
            **self.rules,
        )
        return self._against_decode(env, 1, "step of 1 user", 0.60)

    def _against_decode(self, env: Any, rows: int, name: str, goal: float) -> list[Ratio]:
        count = 128
        env.reset(seed=0)
        length = 0

        def ours() -> float:
            nonlocal length
            env.reset(seed=0)
            actions = self.actions(count, rows)
            before = self.lengths(env).max()
            seconds = self.step_time(env, actions if rows > 1 else actions[:, 0])
            length = int(before + self.lengths(env).max()) // 2
            return seconds

        ours()
        decodes = self.bare.decodes(rows, length, count)
        timed = {
            way: lambda decode=decode: self.clock(lambda: [decode() for _ in range(count)]) / count
            for way, decode in decodes.items()
        }
        own = {"the LE's reader": timed.pop("the LE's reader")}
        return [
            self.compare(f"{name} ÷ raw decode", ours, timed, goal, "transformers, "),
            self.compare(f"{name} ÷ raw decode by the LE's own reader", ours, own),
        ]

    def text_prompts(self) -> list[Ratio]:
        """A step of 64 users against a simulator that reads text prompts."""
        env = self.envs(USERS)
        actions = self.actions(128, USERS)

        def ours() -> float:
            env.reset(seed=0)
            return self.step_time(env, actions)

        prompts = TextPrompts(self.bare.causal_lm, self.bare.tokenizer, self.user.catalogue)
        n_items = self.user.n_items
        histories = self.rng.integers(0, n_items, (USERS, 20)).tolist()
        shown = self.rng.integers(0, n_items, USERS).tolist()
        whole = {"whole prompts": lambda: self.clock(lambda: prompts.answer(histories, shown))}
        with torch.inference_mode():
            ask = prompts.open(histories)
        kept = {"prefix kept": lambda: self.clock(lambda: [ask(shown) for _ in range(8)]) / 8}
        return [
            self.compare("step of 64 users ÷ text prompts", ours, whole, 100),
            self.compare("step of 64 users ÷ text prompts, prefix kept", ours, kept, 8),
        ]

    def labelling(self) -> list[Ratio]:
        """Labelling a log against the bare model's pass over the same tokens."""
        log = self.log(users=1000)
        chunks = chunk_log(log, self.user.model.config.window)
        widths = np.sort(chunks.widths)
        most = tokens_at_once(self.user.model.device)
        batches: list[torch.Tensor] = []
        first = 0
        for last in range(1, len(widths) + 1):  # as labelling batches them
            if last == len(widths) or (last + 1 - first) * widths[last] > most:
                batches.append(torch.from_numpy(widths[first:last]).to(self.user.model.device))
                first = last
        return [
            self.compare(
                "labelling ÷ raw forward",
                lambda: self.clock(lambda: label_log(self.user.le, log)),
                {
                    "transformers": lambda: self.clock(
                        lambda: [self.bare.forward(batch) for batch in batches]
                    )
                },
                0.80,
            ),
            self.compare(
                "labelling ÷ raw forward by the LE's own reader",
                lambda: self.clock(lambda: label_log(self.user.le, log)),
                {
                    "the LE's reader": lambda: self.clock(
                        lambda: [self.bare.forward_reader(batch) for batch in batches]
                    )
                },
            ),
        ]

    def prompt_a_transition(self) -> list[Ratio]:
        """Labelling a log against one prompt for each of its transitions."""
        log = self.log(users=USERS)
        prompts = TextPrompts(self.bare.causal_lm, self.bare.tokenizer, self.user.catalogue)
        starts = np.repeat(log.offsets[:-1], log.lengths)
        rows = np.flatnonzero(log.row_positions > 0)
        order = rows[np.argsort(log.row_positions[rows])]  # alike in length, so little is padding
        groups = [order[i : i + USERS] for i in range(0, len(order), USERS)]

        def text() -> None:
            for group in groups:
                histories = [log.items[starts[row] : row].tolist() for row in group]
                prompts.answer(histories, log.items[group].tolist())

        def tokens() -> None:
            for group in groups:
                histories = [log.items[starts[row] : row] for row in group]
                self.user.score(histories, log.items[group][:, None])

        def ours() -> float:
            return self.clock(lambda: label_log(self.user.le, log))

        name = "labelling ÷ one prompt a transition"
        return [
            self.compare(name, ours, {"text prompts": lambda: self.clock(text)}, 20),
            self.compare(
                f"{name}, in item tokens", ours, {"item tokens": lambda: self.clock(tokens)}
            ),
        ]

    def candidates(self) -> list[Ratio]:
        """100 candidates of one history in one pass against 100 passes."""
        history = [self.rng.integers(0, self.user.n_items, 20)]
        candidates = self.rng.permutation(self.user.n_items)[None, :100]

        def separate() -> None:
            for candidate in candidates[0]:
                self.user.score(history, candidate[None, None])

        return [
            self.compare(
                "scoring 100 candidates ÷ 100 passes",
                lambda: self.clock(lambda: self.user.score(history, candidates)),
                {"a history of 20": lambda: self.clock(separate)},
                15,
            )
        ]

    def slates(self) -> list[Ratio]:
        """A step in which each of 64 users is shown a list of 10 against one of a single item."""
        steps, size, n_items = 50, 10, self.user.n_items
        lists = np.stack([self.rng.permutation(n_items)[:size] for _ in range(steps * USERS)])
        items = self.actions(steps, USERS)
        single = self.envs(USERS)
        slate = SlateVectorEnv(USERS, simulator=self.user, slate_size=size, patience=FOREVER)
        timed = []
        for repeat in range(self.repeats + 1):
            single.reset(seed=repeat), slate.reset(seed=repeat)
            one = self.step_time(single, items)
            timed.append((self.step_time(slate, lists.reshape(steps, USERS, size)), one))
        values = [many / one for many, one in timed[1:]]  # the first warms up
        ours, others = (statistics.median(column) for column in zip(*timed[1:], strict=True))
        name = f"step of lists of {size} ÷ step of single items, cost"
        return [Ratio(name, values, (ours, others), "64 users, 50 steps", 2.0, at_most=True)]

    def late_steps(self) -> list[Ratio]:
        """Steps around the 500th of an episode against those around the 20th."""
        return [
            self._late("step 500 ÷ step 20, cost", accept_rate=0.1),
            self._late("step 500 ÷ step 20, cost, half of the items taken", accept_rate=0.5),
            self._late("step 500 ÷ step 20, cost, skips remembered", **self.remembering()),
        ]

    def _late(self, name: str, **settings: Any) -> Ratio:
        env, half = self.envs(USERS, **settings), 16
        early, late = [], []
        for repeat in range(self.repeats):
            env.reset(seed=repeat)
            actions = self.actions(500 + 2 * half, USERS)
            each = [self.cost(lambda a=a: env.step(a)) for a in actions]
            early.append(statistics.mean(each[20 - half : 20 + half]))
            late.append(statistics.mean(each[500 - 2 * half :]))
        values = [b / a for a, b in zip(early, late, strict=True)]
        read = env.rules.session._decoder._read.total.mean()
        seconds = statistics.median(late), statistics.median(early)
        note = f"{read:.0f} items in a history at the end"
        return Ratio(name, values, seconds, note, 1.3, at_most=True)

    def cost(self, work: Callable[[], object]) -> float:
        """Processor seconds of one call, which other programs do not lengthen; of a GPU, all."""
        if self.user.model.device.type == "cuda":
            return self.clock(work)
        began = time.process_time()
        with torch.inference_mode():
            work()
        return time.process_time() - began

    def remembering(self) -> dict[str, Any]:
        """Settings of an environment whose users remember skips.

        An LE that never learned what a skip says gets zeros to add to it: that takes as long.
        """
        model = copy.copy(self.user.model)
        model._modules = {**model._modules, "heads": copy.deepcopy(model.heads)}
        if model.heads.skip_token is None:
            model.heads.skip_token = torch.nn.Parameter(torch.zeros(model.backend.hidden_size))
        return {"simulator": LanguageUser(model, remember_skips=True)}

    def skips(self) -> list[Ratio]:
        """A step of 64 users who remember what they skip against one of users who do not."""
        envs = [self.envs(USERS, **self.remembering()), self.envs(USERS)]
        timed = []
        for repeat in range(self.repeats + 1):
            actions = self.actions(128, USERS)
            for env in envs:
                env.reset(seed=repeat)
            costs = [[self.cost(lambda e=env, a=a: e.step(a)) for env in envs] for a in actions]
            timed.append([statistics.mean(own) for own in zip(*costs, strict=True)])
        values = [ours / other for ours, other in timed[1:]]  # the first warms up
        ours, other = (statistics.median(own) for own in zip(*timed[1:], strict=True))
        name = "step that remembers skips ÷ step, cost"
        return [Ratio(name, values, (ours, other), "64 users, 128 steps", None, at_most=True)]

    def memory(self) -> list[Ratio]:
        """Peak memory of labelling a million interactions against ten thousand."""
        peaks = {}
        with tempfile.TemporaryDirectory() as scratch:
            for size in (10_000, 1_000_000):
                path = Path(scratch) / f"{size}.parquet"
                self.log(users=size // 20).save(path)
                peaks[size] = _peak_of_labelling(path, self.folder, Path(scratch) / f"out_{size}")
        value = peaks[1_000_000] / peaks[10_000]
        note = f"{peaks[1_000_000]:.0f} MB and {peaks[10_000]:.0f} MB"
        name = "peak memory, 1,000,000 ÷ 10,000"
        return [Ratio(name, [value], (0.0, 0.0), note, 1.5, at_most=True)]

    def collection(self) -> list[Ratio]:
        """PPO's collection on the batched environment against 64 single ones."""
        from stable_baselines3 import PPO
        from stable_baselines3.common.vec_env import DummyVecEnv

        from llmrec_env.envs.sb3 import make_vec_env

        def make() -> gym.Env[Any, Any]:
            settings = {"simulator": self.user, "disable_env_checker": True, **self.rules}
            return gym.make("LLMRec/NextItem-v1", **settings)

        steps = 16
        envs = {
            "batched": make_vec_env(USERS, seed=0, simulator=self.user, **self.rules),
            "DummyVecEnv": DummyVecEnv([make] * USERS),
        }
        models = {n: PPO("MlpPolicy", env, n_steps=steps, seed=0) for n, env in envs.items()}
        callbacks = {n: model._setup_learn(10**9)[1] for n, model in models.items()}

        def collect(name: str) -> float:
            model, callback = models[name], callbacks[name]
            return self.clock_outside(
                lambda: model.collect_rollouts(
                    model.env, callback, model.rollout_buffer, n_rollout_steps=steps
                )
            )

        for _ in range(16):  # most users have come once, as early in any training
            collect("batched")
        return [
            self.compare(
                "PPO collection ÷ DummyVecEnv of 64",
                lambda: collect("batched"),
                {"64 single environments": lambda: collect("DummyVecEnv")},
                10,
            )
        ]

    def clock_outside(self, work: Callable[[], object]) -> float:
        """Seconds of one call that sets its own inference mode."""
        self.wait()
        began = time.perf_counter()
        work()
        self.wait()
        return time.perf_counter() - began

    def log(self, users: int) -> InteractionLog:
        """Users with 20 interactions on average, as skewed as those of the generated world."""
        lengths = np.clip(5 + self.rng.gamma(1.5, 10.0, users), 5, 200).astype(np.int64)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        items = self.rng.integers(0, self.user.n_items, int(offsets[-1]))
        ids = pl.Series("user_id", [f"u{u}" for u in range(users)])
        return InteractionLog(self.user.catalogue, ids, offsets, items)


def _peak_of_labelling(log: Path, simulator: Path, out: Path) -> float:
    """Peak resident memory, in MB, of a process that does nothing but label ``log``."""
    program = (
        "import sys; from memory import peak_mb; from llmrec_env.cli import app; "
        "app(sys.argv[1:], standalone_mode=False); print(peak_mb())"
    )
    command = ["label", "--log", str(log), "--simulator", str(simulator), "--out", str(out)]
    done = subprocess.run(
        [sys.executable, "-c", program, *command, "--augment", "0"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent,
    )
    return float(done.stdout.split()[-1])


def show(ratios: list[Ratio]) -> None:
    """One line a ratio."""
    table = Table(title="The simulated user's speed: ratios within one run")
    for column in ("ratio", "median", "least", "most", "goal", "our side, ms", "other side, ms"):
        table.add_column(column, justify="left" if column == "ratio" else "right")
    table.add_column("against")
    for ratio in ratios:
        bound = "" if ratio.goal is None else f"{'≤' if ratio.at_most else '≥'} {ratio.goal:g}"
        colour = {None: "", True: "[green]", False: "[red]"}[ratio.reached]
        values = (f"{v:.3g}" for v in (ratio.median, min(ratio.values), max(ratio.values)))
        times = (f"{1000 * s:.3g}" for s in ratio.seconds)
        table.add_row(ratio.name, *values, f"{colour}{bound}", *times, ratio.note)
    Console(width=180).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=HelpFormatter)
    parser.add_argument("--simulator", type=Path, default=EMBEDDED, help="folder of a saved LE")
    parser.add_argument("--device", default="cpu", help="device of the language model")
    parser.add_argument("--dtype", default="float32", help="number format of the language model")
    parser.add_argument("--threads", type=int, default=1, help="torch threads")
    parser.add_argument("--repeats", type=int, default=7, help="how often each is timed")
    parser.add_argument("--version", type=int, default=1, choices=(0, 1), help="of NextItem")
    parser.add_argument("--only", nargs="*", help="names of measurements, such as steps")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/simulator.json"), help="where results are written"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    bench = Bench(
        arguments.simulator, arguments.device, arguments.dtype, arguments.repeats, arguments.version
    )
    wanted = [m for m in bench.all() if not arguments.only or m.__name__ in arguments.only]
    settings = {name: str(value) for name, value in vars(arguments).items()}
    ratios: list[Ratio] = []
    for measure in track(wanted, "measure"):
        ratios += measure()
        rows = [asdict(ratio) | {"median": ratio.median} for ratio in ratios]
        write_json(arguments.out, {"settings": settings, "ratios": rows})
    show(ratios)


if __name__ == "__main__":
    main()
