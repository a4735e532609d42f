"""Hyper-parameter search: equally many trials for every method, on validation users only.

With ``StudySettings.tune`` "host" only the plain backbone has trials, and all methods take its
settings.

The search uses the first split only, with a training seed of its own; its result is then used on
all splits with all seeds. The first trials are the method's defaults and the three other hosts of
:data:`HOSTS`, no trial is cut short, and Optuna's TPE proposes the others. Each finished trial
stands in a JSON file, and every next one is proposed from those alone: a search that was killed
goes on as if it had not been.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from llmrec_env.common.errors import DivergedError, SettingError
from llmrec_env.common.extras import require
from llmrec_env.common.run_folder import RunFolder, check_same
from llmrec_env.experiments.study.fit import fit_method
from llmrec_env.experiments.study.methods import Method
from llmrec_env.experiments.study.settings import StudySettings
from llmrec_env.experiments.study.space import HOSTS, Choice, Range, Space
from llmrec_env.experiments.study.split_context import SplitContext, as_name

METRIC = "NDCG@10"
SEARCH_SEED = 1_000_000
"""Training seed of the trials, which is none of the study's."""
STARTUP = 5
"""Trials drawn at random before TPE has enough to go by."""

Trial = dict[str, Any]


def search(backbone: str, method: Method, context: SplitContext) -> None:
    """Run the trials that are missing.

    Raises:
        MissingExtraError: Optuna is not installed.
        SettingError: the file of the search belongs to other settings.
    """
    trials = finished_trials(context.out, backbone, method)
    for number in range(len(trials), context.settings.trials):
        params = _propose(method, backbone, trials, number)
        found = _evaluate(backbone, method, params, context)
        trials.append({"params": params, **found})
        saved = {"method": _identity(backbone, method), "trials": trials}
        context.study.write(_piece(backbone, method), saved)


def is_searched(settings: StudySettings, out: Path, backbone: str, method: Method) -> bool:
    """Whether :func:`search` has nothing left to do."""
    return len(finished_trials(out, backbone, method)) >= settings.trials


def finished_trials(out: Path, backbone: str, method: Method) -> list[Trial]:
    """The trials so far: ``params``, validation ``value`` (None: diverged) and CPU ``seconds``.

    Raises:
        SettingError: the method has changed since.
    """
    study, piece = RunFolder(out), _piece(backbone, method)
    if not study.has(piece):
        return []
    saved = study.read(piece)
    check_same(out / piece, saved["method"], _identity(backbone, method))
    trials: list[Trial] = saved["trials"]
    return trials


def chosen(settings: StudySettings, out: Path, backbone: str, method: Method) -> dict[str, Any]:
    """The settings of the best trial; empty where nothing was searched.

    Raises:
        SettingError: every trial diverged.
    """
    method = settings.tuned(method)
    trials = finished_trials(out, backbone, method)[: settings.trials]
    known = [trial for trial in trials if trial["value"] is not None]
    if trials and not known:
        raise SettingError(f"every trial of {method.name!r} on {backbone} diverged")
    if not known:
        return {}
    params: dict[str, Any] = max(known, key=lambda trial: trial["value"])["params"]
    return params


def defaults(backbone: str, method: Method) -> dict[str, Any]:
    """What a method takes for the searched settings where nothing is searched."""
    usual = method.config(backbone).settings
    return {name: usual.get(name) for name in method.space}


def _propose(method: Method, backbone: str, trials: list[Trial], number: int) -> dict[str, Any]:
    if number < len(HOSTS):
        usual = defaults(backbone, method)
        return usual | {key: value for key, value in HOSTS[number].items() if key in usual}
    optuna = require("optuna", "bench")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = _distributions(optuna.distributions, method.space)
    # A sampler of its own for each trial: its draws then depend on nothing but the number.
    sampler = optuna.samplers.TPESampler(seed=number, n_startup_trials=STARTUP)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for trial in trials:
        failed = trial["value"] is None
        state = optuna.trial.TrialState.FAIL if failed else optuna.trial.TrialState.COMPLETE
        study.add_trial(
            optuna.trial.create_trial(
                state=state, value=trial["value"], params=trial["params"], distributions=space
            )
        )
    params: dict[str, Any] = study.ask(fixed_distributions=space).params
    return {name: params[name] for name in method.space}


def _distributions(kinds: Any, space: Space) -> dict[str, Any]:
    def distribution(values: Range | Choice) -> Any:
        if isinstance(values, Choice):
            return kinds.CategoricalDistribution(values.values)
        return kinds.FloatDistribution(values.low, values.high, log=values.log)

    return {name: distribution(values) for name, values in space.items()}


def _evaluate(
    backbone: str, method: Method, params: dict[str, Any], context: SplitContext
) -> Trial:
    """Train once; the best validation of all passes counts, as it would when training ends."""
    device = context.settings.device
    config = method.config(backbone, **params, **context.passes, seed=SEARCH_SEED, device=device)
    try:
        recommender = fit_method(method, context, config)
    except DivergedError:
        return {"value": None, "seconds": 0.0}
    best = max(row[METRIC] for row in recommender.history)
    return {"value": best, "seconds": sum(recommender.seconds.values())}


def _identity(backbone: str, method: Method) -> dict[str, Any]:
    """What a search depends on besides the study's settings, as JSON gives it back."""
    space = {name: repr(values) for name, values in method.space.items()}
    own = {**asdict(method), "backbone": backbone, "space": space}
    plain: dict[str, Any] = json.loads(json.dumps(own))
    return plain


def _piece(backbone: str, method: Method) -> str:
    return f"search/{backbone}/{as_name(method.name)}.json"
