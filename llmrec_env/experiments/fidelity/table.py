"""The table of fidelity: means over users and splits, intervals, and paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from llmrec_env.common.files import read_json
from llmrec_env.experiments.fidelity.measuring import ROW, USERS
from llmrec_env.experiments.study.statistics import Difference, holm, paired_difference

Cell = dict[str, Any]
"""One row's answer to one question on one log."""
DIGITS = 5
"""Kept of what is measured, after the point."""


def collect(folder: Path, command: str, protocol: str) -> dict[str, Any]:
    """What the finished rows of a folder say, as plain values.

    Args:
        folder: of the run.
        command: that made it.
        protocol: which one was asked.

    Returns:
        ``command``, ``protocol`` and ``cells``, one for each log, question and row: its mean and
        95% interval of each metric over all splits, how many users it was measured on, the
        difference from the best other row in the first metric, seconds and settings by split.
    """
    found: dict[tuple[str, str], dict[str, list[Path]]] = {}
    for path in sorted(folder.glob(f"rows/*/*/{ROW}")):
        row = read_json(path)
        for question in row["questions"]:
            rows = found.setdefault((row["log"], question), {})
            rows.setdefault(row["row"], []).append(path)
    cells: list[Cell] = []
    for (log, question), rows in sorted(found.items()):
        cells += _cells(log, question, rows)
    return {"command": command, "protocol": protocol, "cells": cells}


def _cells(log: str, question: str, rows: Mapping[str, Sequence[Path]]) -> list[Cell]:
    """One log's answers to one question, the best row first."""
    tables = {name: _users(paths, question) for name, paths in rows.items()}
    cells = {name: _measured(tables[name], paths, question) for name, paths in rows.items()}
    first = next(iter(next(iter(cells.values()))["metrics"]))
    order = sorted(cells, key=lambda name: -cells[name]["metrics"][first]["mean"])
    against = _against_best(order, tables, first)
    return [
        {
            **{"log": log, "question": question, "row": name, "metric": first},
            **cells[name],
            "against": against.get(name),
        }
        for name in order
    ]


def _users(paths: Sequence[Path], question: str) -> pl.DataFrame:
    """Every user of every split: ``split``, ``seed``, ``user_id``, ``steps`` and the metrics."""
    parts = []
    for path in paths:
        users = pl.read_parquet(path.parent / USERS.format(question.replace(" ", "-")))
        split = pl.lit(read_json(path)["split"], dtype=pl.Int64)
        seed = pl.lit(None, dtype=pl.Int64)
        parts.append(users.with_columns(split=split, seed=seed))
    return pl.concat(parts)


def _measured(users: pl.DataFrame, paths: Sequence[Path], question: str) -> Cell:
    answers = [read_json(path)["questions"][question] for path in paths]
    metrics = {metric: _interval(users, metric) for metric in answers[0]["test"]}
    return {
        "metrics": metrics,
        "splits": len(paths),
        "users": users["user_id"].n_unique(),
        "seconds": {
            what: round(float(np.mean([own["seconds"][what] for own in answers])), 1)
            for what in answers[0]["seconds"]
        },
        "settings": [own["settings"] for own in answers],
    }


def _interval(users: pl.DataFrame, metric: str) -> dict[str, float]:
    """Mean over splits with its 95% interval over users: the difference from nothing at all."""
    known = users.drop_nulls(metric)
    found = paired_difference(known, known.with_columns(pl.lit(0.0).alias(metric)), metric)
    return _rounded({"mean": found.mean, "low": found.low, "high": found.high})


def _against_best(
    order: Sequence[str], tables: Mapping[str, pl.DataFrame], metric: str
) -> dict[str, Cell]:
    """Each row less the best of the others, on the splits that both have; p by Holm's rule."""
    if len(order) < 2:
        return {}
    other = {name: order[0] if name != order[0] else order[1] for name in order}
    differences = {
        name: paired_difference(tables[name], tables[other[name]], metric) for name in order
    }
    corrected = holm([differences[name].p for name in order])
    return {
        name: {"row": other[name], **_told(differences[name]), "p": float(f"{p:.3g}")}
        for name, p in zip(order, corrected, strict=True)
    }


def _told(difference: Difference) -> Cell:
    kept = asdict(difference)
    told = _rounded({name: kept[name] for name in ("mean", "low", "high")})
    return {**told, "splits": [round(split, DIGITS) for split in difference.splits]}


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, DIGITS) for name, value in values.items()}
