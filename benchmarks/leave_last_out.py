"""Recommenders beside published figures: leave-last-out, every item ranked, history masked.

    python benchmarks/leave_last_out.py --data path/to/amazon_beauty --out runs/beauty

The last item of every user is the test, the last but one the validation. Settings are chosen among
a few, and the pass, by validation NDCG@10; the test items are ranked by what was chosen alone, with
several training seeds. Every finished training is kept in ``--out``, and the one at work goes on
where it was killed. Writes ``rows.json`` and prints its table as Markdown; CPU seconds are those of
one thread.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agents import Recommender, RecommenderConfig
from llmrec_env.common.arrays import Float64Array
from llmrec_env.common.files import fingerprint, read_json
from llmrec_env.common.run_folder import RunFolder
from llmrec_env.data.loading import load
from llmrec_env.data.order import check_order
from llmrec_env.data.source import log_fingerprint
from llmrec_env.data.splits import Split, split_last_out
from llmrec_env.evaluation.intervals import interval
from llmrec_env.evaluation.ranking import (
    ItemKNN,
    Popularity,
    Ranker,
    evaluate_ranking,
    step_gains,
    step_ranks,
)
from llmrec_env.experiments.study.rankers import chosen_neighbours

Settings = Mapping[str, Any]
K, METRIC = 10, "NDCG@10"
RESULT = "rows.json"
PASSES = 10
"""Passes over the log at most, where a row does not try others."""
WATCHED = 5000
"""Validation users who are ranked after each pass; settings are chosen by all of them."""


@dataclass(frozen=True)
class Row:
    """One recommender.

    Attributes:
        label: what the table calls it.
        fixed: its settings (:meth:`RecommenderConfig.of`); None: it has no backbone.
        tried: what validation chooses among, each in addition to ``fixed``.
    """

    label: str
    fixed: Settings | None = None
    tried: Sequence[Settings] = field(default=({},))


ROWS = {
    "popularity": Row("popularity"),
    "item-knn": Row("item-kNN"),
    "sasrec-tied": Row(
        "SASRec, tied", {"backbone": "sasrec", "tied": True}, ({}, {"layers": 1, "dropout": 0.2})
    ),
    "sasrec": Row("SASRec, untied", {"backbone": "sasrec"}, ({}, {"layers": 1, "dropout": 0.2})),
    "gru4rec-tied": Row(
        "GRU4Rec, tied", {"backbone": "gru4rec", "tied": True}, ({}, {"learning_rate": 1e-3})
    ),
}


@dataclass(frozen=True)
class Bench:
    """One run.

    Attributes:
        split: of the log.
        folder: what is finished.
        seeds: training seeds.
        mask_seen: whether rankings leave out a user's history.
    """

    split: Split
    folder: RunFolder
    seeds: int
    mask_seen: bool

    def row(self, name: str) -> dict[str, Any]:
        """Choose the settings of a row, rank the test items with every seed: what is kept of it."""
        if ROWS[name].fixed is None:
            return self._counted(name)
        found = [self._trained(name, settings, 0) for settings in ROWS[name].tried]
        best = max(found, key=lambda one: one["validation"])
        all_seeds = [self._trained(name, best["settings"], seed) for seed in range(self.seeds)]
        ranks = [self._test_ranks(name, best["settings"], seed) for seed in range(self.seeds)]
        return {
            "row": name,
            "label": ROWS[name].label,
            "settings": best["settings"],
            "tried": len(found),
            **_measured(ranks),
            "validation": float(np.mean([one["validation"] for one in all_seeds])),
            "passes": [one["passes"] for one in all_seeds],
            "seconds": {
                "learning": float(np.mean([one["seconds"] for one in all_seeds])),
                "choosing": sum(one["seconds"] for one in found),
            },
        }

    def _counted(self, name: str) -> dict[str, Any]:
        """A row that counts and draws nothing: one seed is all."""
        if not self.folder.has(piece := f"{name}.json"):
            train, validation, test = self.split
            began = time.process_time()
            settings = {}
            if name == "item-knn":
                settings = chosen_neighbours(train, validation, self.mask_seen)
            chosen = time.process_time()
            ranker = ItemKNN(train, **settings) if name == "item-knn" else Popularity(train)
            learned = time.process_time()
            result = {
                "row": name,
                "label": ROWS[name].label,
                "settings": settings,
                **_measured([step_ranks(ranker, test, self.mask_seen)]),
                "validation": self._validation(ranker),
                "seconds": {"learning": learned - chosen, "choosing": chosen - began},
            }
            self.folder.write(piece, result)
        return dict(self.folder.read(piece))

    def _trained(self, name: str, settings: Settings, seed: int) -> dict[str, Any]:
        """Train once, unless that is done: settings, validation NDCG@10, passes, CPU seconds."""
        piece = _piece(name, settings, seed)
        if not self.folder.has(piece):
            print(f"{name}, seed {seed}, {_told(settings)} ...", flush=True)
            recommender = Recommender(self._config(name, settings, seed))
            learning = self.folder.part(f"{piece}.learning")
            recommender.fit(
                self.split.train, validation=self.split.validation, folder=learning.path
            )
            result = {
                "settings": dict(settings),
                "validation": self._validation(recommender),
                "passes": len(recommender.history) - 1,
                "seconds": recommender.seconds["learning"],
            }
            print(f"  validation {result['validation']:.4f}, {result['seconds']:.0f} CPU s")
            with self.folder.making(piece) as temporary:
                recommender.save(temporary / "model")
                (temporary / "found.json").write_text(json.dumps(result), encoding="utf-8")
            self.folder.remove(f"{piece}.learning")
        return dict(self.folder.read(f"{piece}/found.json"))

    def _config(self, name: str, settings: Settings, seed: int) -> RecommenderConfig:
        shared = {"epochs": PASSES, "validation_users": WATCHED, "seed": seed}
        fixed = ROWS[name].fixed or {}
        return RecommenderConfig.of(**{**shared, "mask_seen": self.mask_seen, **fixed, **settings})

    def _test_ranks(self, name: str, settings: Settings, seed: int) -> Float64Array:
        """The rank of each test item by what was trained, float64 (n_users,)."""
        trained = _piece(name, settings, seed)
        if not self.folder.has(piece := f"{trained}.test.npy"):
            model = self.folder.path / trained / "model"
            ranks = step_ranks(Recommender.load(model), self.split.test, self.mask_seen)
            with self.folder.making(piece) as temporary, temporary.open("wb") as file:
                np.save(file, ranks)
        found: Float64Array = np.load(self.folder.path / piece)
        return found

    def _validation(self, ranker: Ranker) -> float:
        return evaluate_ranking(ranker, self.split.validation, (K,), self.mask_seen)[METRIC]


def _piece(name: str, settings: Settings, seed: int) -> str:
    return f"{name}/seed{seed}-{fingerprint([json.dumps(settings, sort_keys=True)])}"


def _measured(ranks: Sequence[Float64Array]) -> dict[str, Any]:
    """NDCG@10 and Recall@10: a user's mean over seeds, with 95% intervals over users."""
    hits, gains = zip(*(step_gains(own, K) for own in ranks), strict=True)
    values = {METRIC: np.array(gains), f"Recall@{K}": np.array(hits, dtype=np.float64)}
    return {
        "metrics": {name: interval(of.mean(axis=0))._asdict() for name, of in values.items()},
        "seeds": {name: of.mean(axis=1).tolist() for name, of in values.items()},
    }


def table(found: Mapping[str, Any], published: Mapping[str, Any] | None = None) -> str:
    """The rows of a run as Markdown, best first, and quoted figures among them.

    Args:
        found: what ``rows.json`` holds.
        published: ``source`` and ``rows`` of figures from elsewhere, each with a ``label`` and the
            metrics.
    """
    metrics = [METRIC, f"Recall@{K}"]
    rows = [(row["metrics"][METRIC]["mean"], _cells(row, metrics)) for row in found["rows"]]
    for row in (published or {"rows": []})["rows"]:
        cells = [f"*{row['label']}*", *(_number(row[metric]) for metric in metrics)]
        rows.append((row[METRIC], [*cells, "", "", "", ""]))
    header = ["", *metrics, f"{METRIC} of each seed", "validation", "learning, CPU s"]
    header += ["choosing, CPU s"]
    lines = [header, ["---"] * len(header)]
    lines += [cells for _, cells in sorted(rows, key=lambda row: -row[0])]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def _cells(row: Mapping[str, Any], metrics: Sequence[str]) -> list[str]:
    values = [row["metrics"][metric] for metric in metrics]
    shown = [f"{_number(v['mean'])} [{_number(v['low'])}, {_number(v['high'])}]" for v in values]
    seeds = row["seeds"][METRIC]
    seconds = [f"{row['seconds'][what]:,.0f}" for what in ("learning", "choosing")]
    each = " ".join(map(_number, seeds)) if len(seeds) > 1 else ""
    return [row["label"], *shown, each, _number(row["validation"]), *seconds]


def _number(value: float) -> str:
    return f"{value:.4f}".removeprefix("0")


def _told(settings: Settings) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items()) or "defaults"


def arguments_of(words: Sequence[str]) -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder or file of a dataset")
    parser.add_argument("--out", type=Path, default=Path("runs/leave_last_out"))
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--seeds", type=int, default=3, help="training seeds")
    parser.add_argument("--mask-seen", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--published", type=Path, help="JSON of quoted figures for the table")
    return parser.parse_args(words)


def command_of(arguments: argparse.Namespace, rows: Sequence[str]) -> str:
    """The command that makes these rows anew."""
    words = ["python", "benchmarks/leave_last_out.py", "--data", arguments.data]
    words += ["--rows", *rows, "--seeds", str(arguments.seeds)]
    return shlex.join(words if arguments.mask_seen else [*words, "--no-mask-seen"])


def main(words: Sequence[str]) -> None:
    """See the module."""
    arguments = arguments_of(words)
    torch.set_num_threads(1)
    log = load(arguments.data)
    check_order(log, arguments.data)
    split = split_last_out(log)
    settings = {"mask_seen": arguments.mask_seen}
    contents = {"log": log_fingerprint(log)}
    sizes = {"users": split.test.n_users, "items": log.n_items, "interactions": len(log)}
    with RunFolder.claim(arguments.out, "leave_last_out", settings, (), contents) as folder:
        bench = Bench(split, folder, arguments.seeds, arguments.mask_seen)
        before = folder.read(RESULT)["rows"] if folder.has(RESULT) else []
        known = {row["row"]: row for row in before}
        for name in arguments.rows:
            known[name] = bench.row(name)
            rows = [known[name] for name in ROWS if name in known]
            command = command_of(arguments, [row["row"] for row in rows])
            found = {"command": command, **sizes, "mask_seen": arguments.mask_seen, "rows": rows}
            folder.write(RESULT, found, sort_keys=False)
    published = None if arguments.published is None else read_json(arguments.published)
    print(table(found, published))


if __name__ == "__main__":
    main(sys.argv[1:])
