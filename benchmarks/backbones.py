"""Our backbones beside RecBole's: the same split, the same protocol, accuracy and training time.

    python benchmarks/backbones.py --data path/to/ml_100k

Leave-last-out, every item ranked, history not masked. RecBole 1.2.1 runs in an environment of its
own, made once by pip, with its autograd anomaly mode off. Both sides choose the pass by validation
NDCG@10 and read test once; training time is CPU seconds of one thread, validation included. Every
training is kept in ``--out``; a run that is killed goes on. Prints the table as Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
import venv
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from agents import Recommender, RecommenderConfig
from llmrec_env.common.files import atomic_path, read_json, write_json
from llmrec_env.common.help import HelpFormatter
from llmrec_env.data.loading import load
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.splits import split_last_out
from llmrec_env.evaluation.ranking import evaluate_ranking

PACKAGES = ("recbole==1.2.1", "setuptools<80", "numpy<2", "pandas<2.3", "scipy<1.14")
MODELS: dict[str, dict[str, Any]] = {
    "SASRec": {"backbone": "sasrec", "tied": True, "learning_rate": 1e-3, "epochs": 40},
    "GRU4Rec": {"backbone": "gru4rec", "learning_rate": 2e-3},
}
"""Ours, with the settings that validation chose among a few."""
SIDE = Path(__file__).with_name("recbole_side.py")
METRICS = ("HR@10", "NDCG@10")


def environment(folder: Path, torch_version: str) -> Path:
    """The Python of an environment that holds RecBole; made where it is not."""
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        print(f"making an environment for RecBole in {folder} ...", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        wanted = [*PACKAGES, f"torch=={torch_version}"]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
        (folder / "ready").touch()
    return python


def export(log: InteractionLog, folder: Path, name: str) -> None:
    """The log as RecBole's atomic file, time replaced by the place in the user's sequence."""
    table = pl.DataFrame(
        {
            "user_id:token": log.row_users,
            "item_id:token": log.items,
            "timestamp:float": log.row_positions.astype(np.float64),
        }
    )
    (folder / name).mkdir(parents=True, exist_ok=True)
    with atomic_path(folder / name / f"{name}.inter") as temporary:
        table.write_csv(temporary, separator="\t")


def theirs(python: Path, model: str, folder: Path, name: str, seed: int) -> dict[str, float]:
    """Train RecBole's."""
    command = [python, SIDE, model, folder.resolve(), name, str(seed)]
    threads = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, env=threads, cwd=folder, check=True, stdout=subprocess.PIPE, text=True
    )
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def ours(settings: dict[str, Any], log: InteractionLog, seed: int) -> dict[str, float]:
    """Train ours."""
    torch.set_num_threads(1)
    split = split_last_out(log)
    # Validated as it is ranked below, and as RecBole ranks: histories not masked.
    shared = {"dim": 128, "patience": 8, "mask_seen": False, "seed": seed}
    recommender = Recommender(RecommenderConfig.of(**shared, **settings))
    began = time.process_time()
    recommender.fit(split.train, validation=split.validation)
    seconds = time.process_time() - began
    found = evaluate_ranking(recommender, split.validation, ks=(10,))["NDCG@10"]
    result = evaluate_ranking(recommender, split.test, ks=(10,))
    told = {name: result[name] for name in METRICS}
    return {**told, "validation NDCG@10": found, "CPU seconds": seconds}


def show(rows: dict[str, list[dict[str, float]]]) -> None:
    """The table, means over seeds and what of RecBole's compute ours takes."""
    columns = [*METRICS, "validation NDCG@10", "CPU seconds"]
    print("| who | " + " | ".join(columns) + " | of RecBole's |")
    print("|---" * (len(columns) + 2) + "|")
    for model in MODELS:
        spent = {}
        for side in ("RecBole", "ours"):
            found = rows.get(f"{side} {model}", [])
            if not found:
                continue
            means = {c: float(np.mean([row[c] for row in found])) for c in columns}
            spent[side] = means["CPU seconds"]
            cells = [f"{means[c]:.4f}" for c in columns[:-1]] + [f"{spent[side]:.0f}"]
            share = f"{spent['ours'] / spent['RecBole']:.3f}" if len(spent) == 2 else ""
            print(f"| {side} {model} | " + " | ".join(cells) + f" | {share} |")


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=HelpFormatter
    )
    parser.add_argument("--data", required=True, help="folder of the log")
    parser.add_argument("--seeds", type=int, default=1, help="runs, one a seed")
    parser.add_argument(
        "--models",
        nargs="+",
        choices=list(MODELS),
        default=list(MODELS),
        help="backbones to compare",
    )
    parser.add_argument(
        "--sides",
        nargs="+",
        choices=["RecBole", "ours"],
        default=None,
        help="who trains; both if not given",
    )
    parser.add_argument(
        "--environment",
        type=Path,
        default=Path("runs/recbole_environment"),
        help="environment in which RecBole is installed",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/recbole"), help="where results are written"
    )
    arguments = parser.parse_args()
    log = load(arguments.data)
    name = Path(arguments.data).name
    export(log, arguments.out, name)
    rows: dict[str, list[dict[str, float]]] = {}
    for model in arguments.models:
        for side in arguments.sides or ("RecBole", "ours"):
            for seed in range(arguments.seeds):
                path = arguments.out / f"{name} {side} {model} {seed}.json"
                if not path.exists():
                    print(f"{side} {model}, seed {seed} ...", flush=True)
                    if side == "ours":
                        found = ours(MODELS[model], log, seed)
                    else:
                        version = torch.__version__.split("+")[0]
                        python = environment(arguments.environment, version)
                        found = theirs(python, model, arguments.out, name, seed)
                    write_json(path, found)
                rows.setdefault(f"{side} {model}", []).append(read_json(path))
    show(rows)


if __name__ == "__main__":
    main()
