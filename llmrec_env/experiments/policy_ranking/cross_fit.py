"""Two LEs of two halves of the training users: one for policies to learn from and with, one to
judge.

What an LE gets wrong by the chance of its users a policy that learned from the same users, or in
that LE, gets wrong alike, and is liked for it. An LE of other users has no reason to (sample
splitting; the idea of double Q-learning, van Hasselt, 2010). Errors that both share stay.
"""

from __future__ import annotations

from functools import partial

from llmrec_env.common.run_folder import RunFolder
from llmrec_env.experiments.opened import opened_simulator
from llmrec_env.experiments.policy_ranking.judges import halves
from llmrec_env.experiments.policy_ranking.settings import PolicyRankingSettings
from llmrec_env.experiments.policy_ranking.workshop import OTHER_LE, OWN_LE, judge_piece
from llmrec_env.experiments.stages import Stage


def le_stages(settings: PolicyRankingSettings, own: RunFolder) -> list[Stage]:
    """The fits of both LEs."""
    return [
        Stage(f"fit the {name}", partial(_fit, name, settings, own), own.has(judge_piece(name)))
        for name in (OWN_LE, OTHER_LE)
    ]


def _fit(name: str, settings: PolicyRankingSettings, own: RunFolder) -> None:
    """Fit an LE to one half, with the usual settings, on the language model of the LE given."""
    from llmrec_env.language.fitting import FitConfig, fit_language_environment
    from llmrec_env.language.learning_config import LearningConfig

    source, place = settings.source, settings.simulator_folder
    asks = opened_simulator(place, source).asks_language_model
    rows = halves(source.split.train.n_users, settings.seed)[name == OTHER_LE]
    config = FitConfig(language_model=asks, learning=LearningConfig(seed=settings.seed))
    base, checkpoints = place / "base_model", f"checkpoints/{judge_piece(name)}"
    fitted = fit_language_environment(
        source.split.train.select_users(rows),
        source.split.validation,
        base if asks and base.is_dir() else None,
        config.scaled(settings.budget),
        users=source.split.test,
        checkpoint=own.path / checkpoints,
        allow_untexted=True,
    )
    with own.making(judge_piece(name)) as folder:
        fitted.save_pretrained(folder)
    own.remove(checkpoints)
