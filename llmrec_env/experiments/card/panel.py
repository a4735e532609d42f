"""Reads from a finished panel of ``llmrec bench policies`` how its policies were ordered."""

from __future__ import annotations

import os

from llmrec_env.common.errors import SettingError
from llmrec_env.common.files import local_path
from llmrec_env.common.run_folder import RUN, RunFolder
from llmrec_env.data.source import Source, log_fingerprint
from llmrec_env.evaluation.fidelity.panel import EstimateOrder, PanelOrder
from llmrec_env.experiments.policy_ranking.off_policy import orders
from llmrec_env.experiments.policy_ranking.report import TRUE, ranking_of
from llmrec_env.experiments.policy_ranking.run import read_panel
from llmrec_env.experiments.policy_ranking.settings import PolicyRankingSettings
from llmrec_env.language.saving import saved_fingerprint
from llmrec_env.users.base import UserSimulator
from llmrec_env.users.language import LanguageUser


def panel_order(
    folder: str | os.PathLike[str], source: Source, simulator: UserSimulator
) -> PanelOrder:
    """How a panel's policies were ordered by the simulator and, with ``--logged``, by estimates.

    Args:
        folder: a finished run of ``llmrec bench policies``.
        source: the log of the card.
        simulator: whose card it is.

    Raises:
        SettingError: the folder holds no finished panel, or one of another log or simulator.
    """
    own = RunFolder(local_path(folder, "--policies"))
    kind, values = RunFolder.open(own.path)
    if kind != PolicyRankingSettings.KIND:
        raise SettingError(
            f"{own.path} is a folder of `llmrec {kind}`; --policies names one of "
            f"`llmrec {PolicyRankingSettings.KIND}`"
        )
    settings = PolicyRankingSettings.from_json(values)
    _check_same(own, source, simulator)
    judged, estimated = read_panel(settings, own)
    if settings.cross_fit or any(TRUE not in one["worlds"] for one in judged.values()):
        raise SettingError(
            f"{own.path} holds a panel that says nothing of this simulator: "
            + ("an LE of its own judged it" if settings.cross_fit else "nobody knows the truth")
        )
    ranking = ranking_of(judged)
    true = {name: one["worlds"][TRUE]["return"] for name, one in judged.items()}
    better = {name for name, one in judged.items() if one["label"] in ranking.better}
    return PanelOrder(
        policies=len(judged),
        users=next(iter(judged.values()))["worlds"][TRUE]["episodes"],
        tau=ranking.tau,
        tau_better=ranking.tau_better,
        regret=ranking.regret,
        chosen=ranking.chosen,
        best=ranking.best,
        logged=settings.logged,
        estimates=tuple(EstimateOrder(**row) for row in orders(estimated, true, better)),
    )


def _check_same(own: RunFolder, source: Source, simulator: UserSimulator) -> None:
    made_of = own.read(RUN)["contents"]
    folder = simulator.folder if isinstance(simulator, LanguageUser) else None
    if folder is None or made_of["simulated_user"] != saved_fingerprint(folder):
        raise SettingError(
            f"{own.path} holds a panel that another simulated user judged: make one with "
            "`llmrec bench policies --simulator` of this one's folder"
        )
    if made_of["log"] != log_fingerprint(source.log):
        raise SettingError(f"{own.path} holds a panel of another log than {source.name}")
