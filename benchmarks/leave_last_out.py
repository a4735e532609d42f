"""Recommenders beside published figures: leave-last-out, every item ranked, history masked.

    python benchmarks/leave_last_out.py --data path/to/amazon_beauty --out runs/beauty

The last item of every user is the test, the last but one the validation. Settings are chosen among
a few, and the pass, by validation NDCG@10; the test items are ranked by what was chosen alone, with
several training seeds. Every finished training is kept in ``--out``, and the one at work goes on
where it was killed. Writes ``rows.json`` and prints its table as Markdown; CPU seconds are those of
one thread, and of a training that was killed those since it went on.

Two rows are of a simulated user: what it takes next itself, and a recommender that learns its soft
targets. It learned from the same part of the log::

    llmrec fit --data path/to/amazon_beauty --split last --out runs/le
    python benchmarks/leave_last_out.py --data path/to/amazon_beauty --out runs/beauty \\
        --rows le sasrec-tied-le --simulator runs/le
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agents import Recommender, RecommenderConfig
from llmrec_env.common.arrays import Float64Array
from llmrec_env.common.files import fingerprint, read_json
from llmrec_env.common.help import HelpFormatter
from llmrec_env.common.run_folder import RunFolder
from llmrec_env.data.source import Source, log_fingerprint, open_source
from llmrec_env.data.splits import Split
from llmrec_env.evaluation.intervals import interval
from llmrec_env.evaluation.ranking import (
    ItemKNN,
    Popularity,
    Ranker,
    SimulatorRanker,
    evaluate_ranking,
    step_gains,
    step_ranks,
)
from llmrec_env.experiments.study.rankers import chosen_neighbours
from llmrec_env.language.saving import saved_fingerprint
from llmrec_env.users.language import LanguageUser

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
        asks: whether a simulated user answers or teaches.
    """

    label: str
    fixed: Settings | None = None
    tried: Sequence[Settings] = field(default=({},))
    asks: bool = False


DEFAULTS: Settings = {}
SHALLOW: Settings = {"layers": 1, "dropout": 0.2}
TIED: Settings = {"backbone": "sasrec", "tied": True}
ROWS = {
    "popularity": Row("popularity"),
    "item-knn": Row("item-kNN"),
    "sasrec-tied": Row("SASRec, tied", TIED, (DEFAULTS, SHALLOW)),
    "sasrec": Row("SASRec, untied", {"backbone": "sasrec"}, (DEFAULTS, SHALLOW)),
    "gru4rec-tied": Row(
        "GRU4Rec, tied", {"backbone": "gru4rec", "tied": True}, (DEFAULTS, {"learning_rate": 1e-3})
    ),
    "le": Row("LE alone", asks=True),
    "sasrec-tied-le": Row(
        "SASRec, tied, the LE's soft targets", {**TIED, "augment": True}, (DEFAULTS, SHALLOW), True
    ),
}


@dataclass(frozen=True)
class Bench:
    """One run.

    Attributes:
        source: the log, with its last items held out.
        folder: what is finished.
        seeds: training seeds.
        mask_seen: whether rankings leave out a user's history.
        simulator: folder of the simulated user, for rows that ask one.
    """

    source: Source
    folder: RunFolder
    seeds: int
    mask_seen: bool
    simulator: Path | None = None

    @property
    def split(self) -> Split:
        """Of the log."""
        return self.source.split

    @cached_property
    def user(self) -> LanguageUser:
        """The simulated user, who learned from the training part and from nothing else."""
        assert self.simulator is not None
        user = LanguageUser.from_pretrained(self.simulator)
        who = f"the simulated user in {self.simulator}"
        self.source.check_catalogue(user.catalogue, who)
        self.source.check_learned(user.model.record, who)
        return user

    @cached_property
    def _asked(self) -> str:
        """A fingerprint of the simulated user."""
        assert self.simulator is not None
        return saved_fingerprint(self.simulator)

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
            "tried": found,
            **_measured(ranks),
            "validation": float(np.mean([one["validation"] for one in all_seeds])),
            "passes": [one["passes"] for one in all_seeds],
            "seconds": {
                "learning": float(np.mean([one["seconds"] for one in all_seeds])),
                "choosing": sum(one["seconds"] for one in found),
            },
        }

    def _counted(self, name: str) -> dict[str, Any]:
        """A row that draws nothing: one seed is all."""
        key = f"-{self._asked}" if ROWS[name].asks else ""
        if not self.folder.has(piece := f"{name}{key}.json"):
            began = time.process_time()
            settings = self._chosen_neighbours() if name == "item-knn" else {}
            chosen = time.process_time()
            ranker = self._ranker(name, settings)
            learned = time.process_time()
            seconds = {"learning": learned - chosen, "choosing": chosen - began}
            result = {
                "row": name,
                "label": ROWS[name].label,
                "settings": settings,
                **_measured([step_ranks(ranker, self.split.test, self.mask_seen)]),
                "validation": self._validation(ranker),
                "seconds": {} if ROWS[name].asks else seconds,
            }
            self.folder.write(piece, result)
        return dict(self.folder.read(piece))

    def _chosen_neighbours(self) -> dict[str, Any]:
        return chosen_neighbours(self.split.train, self.split.validation, self.mask_seen)

    def _ranker(self, name: str, settings: Settings) -> Ranker:
        if name == "item-knn":
            return ItemKNN(self.split.train, **settings)
        return SimulatorRanker(self.user) if ROWS[name].asks else Popularity(self.split.train)

    def _trained(self, name: str, settings: Settings, seed: int) -> dict[str, Any]:
        """Train once, unless that is done: settings, validation NDCG@10, passes, CPU seconds."""
        piece = self._piece(name, settings, seed)
        if not self.folder.has(piece):
            print(f"{name}, seed {seed}, {_told(settings)} ...", flush=True)
            recommender = Recommender(self._config(name, settings, seed))
            learning = self.folder.part(f"{piece}.learning")
            user = self.user if ROWS[name].asks else None
            recommender.fit(self.split.train, user, self.split.validation, learning.path)
            result = {
                "settings": dict(settings),
                "validation": self._validation(recommender),
                "passes": len(recommender.history) - 1,
                "seconds": sum(recommender.seconds.values()),
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
        trained = self._piece(name, settings, seed)
        if not self.folder.has(piece := f"{trained}.test.npy"):
            model = self.folder.path / trained / "model"
            ranks = step_ranks(Recommender.load(model), self.split.test, self.mask_seen)
            with self.folder.making(piece) as temporary, temporary.open("wb") as file:
                np.save(file, ranks)
        found: Float64Array = np.load(self.folder.path / piece)
        return found

    def _piece(self, name: str, settings: Settings, seed: int) -> str:
        """What a training is kept as."""
        parts = [json.dumps(settings, sort_keys=True)]
        parts += [self._asked] if ROWS[name].asks else []
        return f"{name}/seed{seed}-{fingerprint(parts)}"

    def _validation(self, ranker: Ranker) -> float:
        return evaluate_ranking(ranker, self.split.validation, (K,), self.mask_seen)[METRIC]


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


def choices(found: Mapping[str, Any]) -> str:
    """What validation chose among, by its NDCG@10 with the first seed, as Markdown."""
    header = ["", "settings tried", f"validation {METRIC}", "passes", "CPU s"]
    lines = [header, ["---"] * len(header)]
    for row in found["rows"]:
        for one in row.get("tried", [_counting(row)] if row["settings"] else []):
            chosen = one["settings"] == row["settings"]
            told = f"**{_told(one['settings'])}**" if chosen else _told(one["settings"])
            cells = [_number(one["validation"]), str(one["passes"]), f"{one['seconds']:,.0f}"]
            lines.append([row["label"], told, *cells])
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def _counting(row: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a row that has no passes, and the seconds of choosing them."""
    return {
        "settings": row["settings"],
        "validation": row["validation"],
        "passes": "",
        "seconds": row["seconds"]["choosing"],
    }


def _cells(row: Mapping[str, Any], metrics: Sequence[str]) -> list[str]:
    values = [row["metrics"][metric] for metric in metrics]
    shown = [f"{_number(v['mean'])} [{_number(v['low'])}, {_number(v['high'])}]" for v in values]
    seeds = row["seeds"][METRIC]
    spent = (row["seconds"].get(what) for what in ("learning", "choosing"))
    seconds = ["" if one is None else f"{one:,.0f}" for one in spent]
    each = " ".join(map(_number, seeds)) if len(seeds) > 1 else ""
    return [row["label"], *shown, each, _number(row["validation"]), *seconds]


def _number(value: float) -> str:
    return f"{value:.4f}".removeprefix("0")


def _told(settings: Settings) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items()) or "defaults"


def arguments_of(words: Sequence[str]) -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=HelpFormatter
    )
    usual = [name for name, row in ROWS.items() if not row.asks]
    parser.add_argument("--data", required=True, help="folder or file of a dataset")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/leave_last_out"), help="where results are written"
    )
    parser.add_argument(
        "--rows", nargs="+", choices=list(ROWS), default=usual, help="rows of the table"
    )
    parser.add_argument("--seeds", type=int, default=3, help="training seeds")
    parser.add_argument(
        "--mask-seen",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="leave out what a user has seen",
    )
    parser.add_argument("--simulator", type=Path, help="folder of an LE fitted with --split last")
    parser.add_argument("--published", type=Path, help="JSON of quoted figures for the table")
    arguments = parser.parse_args(words)
    if arguments.simulator is None and any(ROWS[name].asks for name in arguments.rows):
        parser.error("rows of an LE need --simulator, the folder of an LE")
    if arguments.seeds < 1:
        parser.error(f"--seeds must be 1 or more, got {arguments.seeds}")
    return arguments


def command_of(arguments: argparse.Namespace, rows: Sequence[str]) -> str:
    """The command that makes these rows anew."""
    words = ["python", "benchmarks/leave_last_out.py", "--data", arguments.data]
    words += ["--rows", *rows, "--seeds", str(arguments.seeds)]
    words += ["--simulator", "runs/le"] if any(ROWS[name].asks for name in rows) else []
    return shlex.join(words if arguments.mask_seen else [*words, "--no-mask-seen"])


def main(words: Sequence[str]) -> None:
    """See the module."""
    arguments = arguments_of(words)
    torch.set_num_threads(1)
    source = open_source(arguments.data, 0, ranked=True, split="last")
    log, settings = source.log, {"mask_seen": arguments.mask_seen}
    contents = {"log": log_fingerprint(log)}
    users = source.split.test.n_users
    sizes = {"users": users, "items": log.n_items, "interactions": len(log)}
    with RunFolder.claim(arguments.out, "leave_last_out", settings, (), contents) as folder:
        how = (arguments.seeds, arguments.mask_seen, arguments.simulator)
        bench = Bench(source, folder, *how)
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
    print(choices(found))


if __name__ == "__main__":
    main(sys.argv[1:])
