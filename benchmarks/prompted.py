"""Prompted users beside baselines, on some held-out users and some candidates of each.

    python examples/serve_model.py --model SmolLM2-135M-Instruct.Q4_1.gguf --port 8000
    python benchmarks/prompted.py --data ML_100K --model smollm2 --out runs/prompted

The protocol is that of ``llmrec bench fidelity``, whose tables ask about everything; a prompted
model is asked about ``--candidates`` items of ``--users`` users of each question, and all rows are
measured on the same ones. Few-shot prompts show ``--shots`` answers of training users. Answers and
finished rows are kept in ``--out``; a run that is killed goes on. Prints the table as Markdown.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.common.files import write_json
from llmrec_env.data.feedback import FeedbackRange
from llmrec_env.data.loading import load
from llmrec_env.experiments.fidelity.lesson import Feedback, Lesson, ratings_of
from llmrec_env.experiments.fidelity.measuring import ROW, measure_row
from llmrec_env.experiments.fidelity.protocols import Task, kind_of, tasks_of
from llmrec_env.experiments.fidelity.questions import Liking, Question, Taking
from llmrec_env.experiments.fidelity.rows import ROWS
from llmrec_env.experiments.fidelity.rows.base import Row
from llmrec_env.experiments.fidelity.rows.entry import Means
from llmrec_env.experiments.fidelity.table import collect
from llmrec_env.users.base import Histories
from llmrec_env.users.prompted import PromptedUser
from llmrec_env.users.prompting.examples import draw_examples
from llmrec_env.users.prompting.questions import LIKING, TAKING
from llmrec_env.users.prompting.questions import Question as Asked
from llmrec_env.users.prompting.server import ModelServer

BASELINES = ("popularity", "mean", "explicit-mf")


class Prompted(Row):
    """A prompted model; ``shots`` answers of training users are shown to it."""

    ranks = False

    def __init__(self, server: ModelServer, shots: int, cache: Path) -> None:
        self.server, self.shots, self.cache = server, shots, cache

    def fit(self, lesson: Lesson, folder: Path) -> None:
        """Draw examples."""
        known = FeedbackRange.of(lesson.train).shares(ratings_of(lesson.train))
        shown = draw_examples(lesson.train, self.shots, known, lesson.seed) if self.shots else ()
        self.user = PromptedUser(self.server, lesson.train, examples=shown, cache=self.cache)

    def ask(
        self, asked: Asked, histories: Histories, feedback: Feedback, candidates: IntArray
    ) -> FloatArray:
        """Answers to one of the two questions."""
        return self.user.ask(asked, histories, candidates, feedback)

    def liking(self, histories: Histories, feedback: Feedback, candidates: IntArray) -> FloatArray:
        """The expected rating."""
        return self.ask(LIKING, histories, feedback, candidates)

    def acceptance(
        self, histories: Histories, feedback: Feedback, candidates: IntArray
    ) -> FloatArray:
        """The probability of Yes."""
        return self.ask(TAKING, histories, feedback, candidates)


def main(args: argparse.Namespace) -> None:
    """Measure all rows, and print the table."""
    log = load(args.data)
    kind, wanted = kind_of(log), set(args.questions or [])
    tasks = tasks_of(kind, log, args.split)
    task = tasks[args.log or next(iter(tasks))]()
    some = {
        name: sampled(question, args.users, args.candidates, args.split)
        for name, question in task.test.items()
        if isinstance(question, Liking | Taking) and (not wanted or name in wanted)
    }
    validation = {name: task.validation[name] for name in some}
    task = Task(task.lesson, validation, some)
    for name, grid in grids(args, task.lesson).items():
        measure(name, grid, task, args)
    for cell in collect(args.out, "", kind)["cells"]:
        values = [f"{m['mean']:.3f} [{m['low']:.3f}, {m['high']:.3f}]" for m in values_of(cell)]
        print(f"| {cell['question']} | {cell['row']} | {' | '.join(values)} | {cell['users']} |")


def values_of(cell: dict) -> Sequence[dict]:
    """A cell's metrics, each with its interval."""
    return list(cell["metrics"].values())


def grids(args: argparse.Namespace, lesson: Lesson) -> dict[str, Sequence[Row]]:
    """The settings of each row."""
    rows: dict[str, Sequence[Row]] = {
        name: list(ROWS[name].grid(lesson, Means())) for name in BASELINES
    }
    for name, shots in (("prompted-zero-shot", 0), ("prompted-few-shot", args.shots)):
        server = ModelServer(args.model, args.base_url, timeout=600, concurrency=args.concurrency)
        rows[name] = [Prompted(server, shots, args.out / "answers.sqlite")]
    return rows


def sampled(question: Question, users: int, candidates: int, seed: int) -> Question:
    """The same question to some of the users, about some of the candidates; one step each."""
    rng = np.random.default_rng([seed, 51])
    places = np.arange(len(question.user_ids))
    if isinstance(question, Taking):
        places = rng.permutation(places)
        names = np.array(question.user_ids)[places]
        places = places[np.sort(np.unique(names, return_index=True)[1])]
    places = np.sort(rng.permutation(places)[:users])
    kept = {
        "user_ids": [question.user_ids[place] for place in places],
        "histories": [question.histories[place] for place in places],
        "feedback": [question.feedback[place] for place in places],
    }
    if isinstance(question, Taking):
        return replace(question, **kept, shown=question.shown[places])
    assert isinstance(question, Liking)
    shown = [rng.permutation(len(question.candidates[place]))[:candidates] for place in places]
    return replace(
        question,
        **kept,
        candidates=[question.candidates[p][own] for p, own in zip(places, shown, strict=True)],
        ratings=[question.ratings[p][own] for p, own in zip(places, shown, strict=True)],
        bounds=question.bounds[places],
    )


def measure(name: str, grid: Sequence[Row], task: Task, args: argparse.Namespace) -> None:
    """Measure one row, unless it was."""
    place = args.out / "rows" / name / str(args.split)
    if (place / ROW).exists():
        return
    place.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    found = measure_row(grid, task, args.out / "working", place)
    row = {"row": name, "log": args.log or "", "split": args.split, "questions": found}
    if isinstance(grid[0], Prompted):
        usage = vars(grid[0].server.usage)
        row |= {"seconds": round(time.monotonic() - start, 1), "usage": usage}
    write_json(place / ROW, row, sort_keys=False)
    print(name, found, row.get("seconds"), row.get("usage"), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder of a public dataset, with ratings")
    parser.add_argument("--base-url", default="http://127.0.0.1:8000/v1")
    parser.add_argument("--model", required=True, help="the name by which the server knows it")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--candidates", type=int, default=20)
    parser.add_argument("--shots", type=int, default=4, help="examples of each question")
    parser.add_argument("--split", type=int, default=0)
    parser.add_argument("--log", help="the log learned from, where there are several: partly")
    parser.add_argument("--questions", nargs="*", help="only these of the protocol's")
    parser.add_argument("--concurrency", type=int, default=1, help="requests at once")
    main(parser.parse_args())
