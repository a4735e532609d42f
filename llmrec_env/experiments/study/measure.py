"""Executes one run of a study: trains, ranks validation and test users, times the serving."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from llmrec_env.common.errors import DivergedError
from llmrec_env.common.files import fingerprint, write_json
from llmrec_env.common.run_folder import check_same
from llmrec_env.data.log import InteractionLog
from llmrec_env.evaluation.ranking import (
    Ranker,
    both_step_ranks,
    evaluate_ranking,
    ranking_metrics,
    user_metrics,
)
from llmrec_env.experiments.study import beyond_accuracy
from llmrec_env.experiments.study.fit import fit_method
from llmrec_env.experiments.study.fusions import fuse
from llmrec_env.experiments.study.rankers import make_ranker
from llmrec_env.experiments.study.runs import Row, Run, write_overview
from llmrec_env.experiments.study.search import chosen
from llmrec_env.experiments.study.split_context import SplitContext
from llmrec_env.reporting import versions
from llmrec_env.users.base import Histories

KS = (5, 10, 20)
BATCH = 256
REPEATS = {1: 30, BATCH: 5}
"""How often serving is timed; the median counts."""
Serve = Callable[[Histories], object]


def do_run(run: Run, context: SplitContext, all_runs: Iterable[Run]) -> None:
    """Do one run and bring the overview up to date."""
    row, ranker, history = _fixed(run, context) if run.backbone is None else _trained(run, context)
    split = context.source.split
    masked = context.mask_seen
    row["validation"] = evaluate_ranking(ranker, split.validation, KS, masked)
    ranks = both_step_ranks(ranker, split.test)
    row["masked"], row["unmasked"] = (ranking_metrics(ranks[mask], KS) for mask in (True, False))
    row["test"] = {**row["masked" if masked else "unmasked"], "mask_seen": masked}
    row["beyond"] = beyond_accuracy.lists(ranker, context)
    row["returns"] = beyond_accuracy.returns(ranker, context)
    users = user_metrics(split.test, ranks[masked])
    row["test_users"] = users.height
    row["versions"] = versions()
    with context.study.making(run.piece) as folder:
        folder.mkdir()
        users.write_parquet(folder / "users.parquet")
        write_json(folder / "curve.json", history)
        write_json(folder / "row.json", row)
    write_overview(all_runs, context.study)


def check_run(run: Run, context: SplitContext) -> None:
    """Refuse what an earlier try left under this name with other settings.

    Raises:
        SettingError: the settings are others.
    """
    if run.backbone is None or not run.is_done(context):
        return
    row = context.study.read(f"{run.piece}/row.json")
    check_same(run.folder(context.out), row["settings"], _settings(run, context))


def _trained(run: Run, context: SplitContext) -> tuple[Row, Ranker, list[dict[str, float]]]:
    method, split = run.method, context.source.split
    settings = _settings(run, context)
    config = method.config(**settings["config"], device=context.settings.device)
    try:
        recommender = fit_method(method, context, config)
    except DivergedError as error:
        raise DivergedError(
            f"{run.name}: {error}. Leave {method.name!r} out of --methods, or search with more "
            "--trials in another folder"
        ) from error
    k = min(10, recommender.n_items)
    serving = _serving(lambda histories: recommender.recommend(histories, k=k), split.test)
    ranker: Ranker = recommender
    fused: dict[str, Any] = {}
    if method.fused_with is not None:
        again = partial(fit_method, method, context)
        ranker, fused = fuse(method.fused_with, recommender, again, context)
        serving = {}  # of two rankers, each of which has a row
    row = {
        "role": method.role,
        "simulator": method.simulator,
        "settings": settings,
        "chosen": {**settings["chosen"], **fused},
        "fingerprint": fingerprint([json.dumps([settings, versions()], sort_keys=True)]),
        "config": recommender.config.settings,
        "seconds": recommender.seconds,
        "serving": serving,
    }
    return row, ranker, recommender.history


def _settings(run: Run, context: SplitContext) -> dict[str, Any]:
    """All that makes a run, besides the study's own settings; as JSON gives it back."""
    assert run.backbone is not None
    method, settings = run.method, context.settings
    found = chosen(settings, context.out, run.backbone, method)
    config = {"backbone": run.backbone, **context.passes}
    config |= {"seed": run.seed, **found}
    made = {
        "config": config,
        "chosen": found,
        "method": dict(method.settings),
        "simulator": method.simulator,
        "teacher": method.teacher,
        "fused with": method.fused_with,
    }
    plain: dict[str, Any] = json.loads(json.dumps(made))
    return plain


def _fixed(run: Run, context: SplitContext) -> tuple[Row, Ranker, list[dict[str, float]]]:
    began = time.process_time()
    fixed = make_ranker(run.row, context)
    seconds = fixed.seconds
    if seconds is None:
        seconds = time.process_time() - began
    serving = _serving(fixed.serve, context.test) if fixed.serve else {}
    row = {
        "role": fixed.role,
        "simulator": fixed.simulator,
        "settings": {"chosen": fixed.chosen},
        "chosen": fixed.chosen,
        "fingerprint": fingerprint([json.dumps([run.row, fixed.chosen, versions()])]),
        "config": {},
        "seconds": {"learning": seconds},
        "serving": serving,
    }
    return row, fixed.ranker, []


def _serving(serve: Serve, users: InteractionLog) -> dict[str, float]:
    """CPU milliseconds for one history and for a batch of them: medians."""
    found = {}
    for size, repeats in REPEATS.items():
        times = []
        for number in range(repeats):
            chosen_users = np.arange(number, number + size) % users.n_users
            histories = [users.sequence(int(user)) for user in chosen_users]
            began = time.process_time()
            serve(histories)
            times.append(time.process_time() - began)
        found[f"ms, {size}"] = 1000 * float(np.median(times))
    return found
