"""``train`` and ``train_online``: d3rlpy's ``fit`` and ``fit_online`` without their log lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llmrec_env.common.checks import ENDLESS, check_counts
from llmrec_env.common.errors import SettingError
from llmrec_env.common.progress import progress_bar
from llmrec_env.offline.d3rlpy.checks import check_dataset, check_environments, environments_in
from llmrec_env.offline.d3rlpy.library import d3rlpy, quiet, seeded

Row = dict[str, float]


def train(
    algo: Any, dataset: Any, n_steps: int, seed: int = 0, log_every: int = 1000, **options: Any
) -> list[Row]:
    """Fit a d3rlpy algorithm quietly: no log lines, no folder of files, our progress bar.

    d3rlpy draws from the global generators; they are seeded here and put back afterwards.

    Args:
        algo: an algorithm of d3rlpy: one that learns values or imitates, fitted Q evaluation, or a
            decision transformer.
        dataset: what :func:`to_mdp_dataset` or :func:`collect_episodes` gave, or any
            ``ReplayBuffer``.
        n_steps: gradient steps, above ``log_every`` rounded down to a multiple of it.
        seed: seeds the initial weights (of an algorithm not built yet) and the batches.
        log_every: steps between two rows of the result.
        options: further arguments of the algorithm's ``fit``, such as ``evaluators={"environment":
            d3rlpy.metrics.EnvironmentEvaluator(env)}``; ``eval_env`` and ``eval_target_return`` for
            a decision transformer.

    Returns:
        One row each ``log_every`` steps: "step" and the means of d3rlpy's metrics over them, and
        what the evaluators found.

    Raises:
        SettingError: a number of steps is below 1, the dataset's actions are none that the
            algorithm chooses, or it is to be judged in an environment of other observations.
        DataError: an episode is longer than the decision transformer has places in time.
    """
    check_counts(ENDLESS, n_steps=n_steps, log_every=log_every)
    check_dataset(algo, dataset)
    info = dataset.dataset_info
    shape, judges = info.observation_signature.shape[0], environments_in(options)
    check_environments(shape, info.action_size, judges)
    return _fit(algo, algo.fit, seed, log_every, dataset=dataset, n_steps=n_steps, **options)


def train_online(
    algo: Any, env: Any, n_steps: int, seed: int = 0, log_every: int = 1000, **options: Any
) -> list[Row]:
    """Let a d3rlpy algorithm act in an environment and learn from it, as quietly as :func:`train`.

    Args:
        algo: an algorithm that reads an observation, fitted before or not.
        env: where it acts, with the observations and actions of the dataset that it was fitted on.
        n_steps: steps in the environment.
        seed: seeds the environment, what is tried, and the batches.
        log_every: steps between two rows of the result.
        options: further arguments of ``fit_online``, such as ``buffer`` (a dataset that what it
            does is added to; an empty one where it is not given), ``explorer`` and ``eval_env``.

    Returns:
        As :func:`train`; "rollout_return" is what episodes that ended meanwhile paid.

    Raises:
        SettingError: a number of steps is below 1, d3rlpy has no such learning for the algorithm,
            or the environment has other observations or actions than it learned from.
    """
    check_counts(ENDLESS, n_steps=n_steps, log_every=log_every)
    if not hasattr(algo, "fit_online"):
        raise SettingError(f"{type(algo).__name__} learns from datasets alone, in d3rlpy")
    if algo.impl is not None:
        envs = [env, *environments_in(options)]
        check_environments(algo.impl.observation_shape, algo.impl.action_size, envs)
    env.reset(seed=seed)
    env.action_space.seed(seed)
    return _fit(algo, algo.fit_online, seed, log_every, env=env, n_steps=n_steps, **options)


def _fit(
    algo: Any, fit: Callable[..., Any], seed: int, log_every: int, n_steps: int, **options: Any
) -> list[Row]:
    rows = _Rows()
    with quiet(), seeded(seed), progress_bar(type(algo).__name__, n_steps) as advance:
        fit(
            n_steps=n_steps,
            n_steps_per_epoch=min(n_steps, log_every),
            logger_adapter=rows,
            show_progress=False,
            callback=lambda algo, epoch, step: advance(1, ""),
            **options,
        )
    return list(rows.by_step.values())


class _Rows(d3rlpy.logging.NoopAdapterFactory, d3rlpy.logging.NoopAdapter):  # type: ignore[name-defined]
    """Keeps what d3rlpy logs: decision transformers' ``fit`` returns nothing."""

    def __init__(self) -> None:
        self.by_step: dict[int, Row] = {}

    def create(self, algo: Any, experiment_name: str, n_steps_per_epoch: int) -> _Rows:
        return self

    def write_metric(self, epoch: int, step: int, name: str, value: float) -> None:
        self.by_step.setdefault(step, {"step": float(step)})[name] = float(value)
