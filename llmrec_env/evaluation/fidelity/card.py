"""``FidelityCard``: what is known of how near simulated users come to people.

A card is plain values. It is saved as ``card.json`` in the folder of the simulator, and holds for
that simulator alone: it keeps its fingerprint.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from llmrec_env.common.errors import DataError
from llmrec_env.common.files import local_path, read_json, write_json
from llmrec_env.common.saved_folder import CARD
from llmrec_env.evaluation.fidelity.behaviour import Behaviour, Sessions
from llmrec_env.evaluation.fidelity.calibration import Group, Reliability
from llmrec_env.evaluation.fidelity.gains import Gain
from llmrec_env.evaluation.fidelity.panel import EstimateOrder, PanelOrder
from llmrec_env.evaluation.fidelity.session_ends import SessionEnds
from llmrec_env.evaluation.intervals import Interval
from llmrec_env.users.language import LanguageUser

FORMAT = 1
SIMULATOR, POPULARITY = "simulator", "popularity"
Measures = Mapping[str, Interval]
"""Figures by name, each with its 95% interval over users."""


@dataclass(frozen=True)
class FidelityCard:
    """How near a simulator comes to held-out people, from whom it never learned.

    Every interval is a 95% interval over users (bootstrap; of curves the normal approximation).

    Attributes:
        about: who is judged, on what: the simulator's kind, fingerprint and whether it asks a
            language model (None where it is no LE), users, items, moments, the seed.
        acceptance: by who ("simulator", "popularity", other baselines): "accuracy, uniform", "AUC,
            uniform", and the same of "popular" and "same category"
            (:func:`~llmrec_env.evaluation.fidelity.acceptance.acceptance_measures`).
        liking: by who: "Spearman" and "AUC" with held-out ratings; empty where the log has none.
        differences: by baseline: the simulator less it, moment by moment and user by user, in the
            accuracies and in "Spearman" with ratings.
        calibration: reliability of the chance of taking, by what stands against it
            (:mod:`~llmrec_env.evaluation.fidelity.calibration`).
        behaviour: logged and simulated sessions; None where the log has none to compare.
        truth: by who: "Spearman" with the true liking, where it is known.
        counterfactual: by who: accuracies on another recommender's log, and the share "kept"
            (:func:`~llmrec_env.evaluation.fidelity.other_log.kept_accuracy`); empty where there is
            no such log. ``about["other_log"]`` names it.
        policies: how a panel of policies was ordered; None where none was given.
        gains: by name of a policy that looks ahead: what it gains over the greedy one, simulated
            and true (:func:`~llmrec_env.evaluation.fidelity.gains.gains_over_greedy`); empty where
            the simulator names no items by itself.
    """

    about: Mapping[str, Any]
    acceptance: Mapping[str, Measures]
    liking: Mapping[str, Measures]
    differences: Mapping[str, Measures]
    calibration: Mapping[str, Reliability]
    behaviour: Behaviour | None
    truth: Mapping[str, Measures]
    counterfactual: Mapping[str, Measures] = field(default_factory=dict)
    policies: PanelOrder | None = None
    gains: Mapping[str, Gain] = field(default_factory=dict)

    @property
    def ece(self) -> Interval:
        """The calibration error of acceptance: against what was shown where the log tells that,
        else against takes and popular items that were never taken."""
        return self.calibration[self.judged_against].ece

    @property
    def judged_against(self) -> str:
        """What :attr:`ece` is against."""
        return next(iter(self.calibration))

    def to_json(self) -> dict[str, Any]:
        """Plain values, as JSON knows them; what is not finite becomes None."""
        plain: dict[str, Any] = _plain(asdict(self))
        return {"format": FORMAT, **plain}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> FidelityCard:
        """What :meth:`to_json` gave, as a card again.

        Raises:
            DataError: it is no card of this version.
        """
        try:
            if values["format"] != FORMAT:
                raise ValueError(f"format {values['format']!r}, this version reads {FORMAT}")
            return cls(
                dict(values["about"]),
                _measures(values["acceptance"]),
                _measures(values["liking"]),
                _measures(values["differences"]),
                {name: _reliability(own) for name, own in values["calibration"].items()},
                None if values["behaviour"] is None else _behaviour(values["behaviour"]),
                _measures(values["truth"]),
                _measures(values.get("counterfactual", {})),  # earlier cards have none of these
                None if values.get("policies") is None else _panel(values["policies"]),
                {name: _gain(own) for name, own in values.get("gains", {}).items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(
                f"no fidelity card of this version ({error}); make it again with `llmrec card`"
            ) from None

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write ``card.json`` into a folder."""
        write_json(local_path(folder) / CARD, self.to_json(), sort_keys=False)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> FidelityCard:
        """The card in a simulator's folder.

        Raises:
            DataError: there is none, or none of this version.
        """
        path = local_path(folder, "folder of a fidelity card") / CARD
        if not path.is_file():
            raise DataError(f"{path}: no such file; `llmrec card {folder}` makes it")
        return cls.from_json(read_json(path))

    @classmethod
    def of(cls, simulator: LanguageUser) -> FidelityCard | None:
        """The card in the folder from which simulated users were loaded; None where there is none,
        or it was made of another simulator that stood there.

        Raises:
            DataError: it is none of this version.
        """
        folder = simulator.folder
        if folder is None or not (folder / CARD).is_file():
            return None
        card = cls.load(folder)
        return card if card.about["fingerprint"] == simulator.model.fingerprint else None


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _plain(own) for name, own in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(own) for own in value]
    return value


def _interval(values: Any) -> Interval:
    mean, low, high = values
    return Interval(
        math.nan if mean is None else mean,
        -math.inf if low is None else low,
        math.inf if high is None else high,
    )


def _measures(values: Mapping[str, Any]) -> dict[str, dict[str, Interval]]:
    return {
        who: {name: _interval(found) for name, found in own.items()} for who, own in values.items()
    }


def _intervals(values: Any) -> tuple[Interval, ...]:
    return tuple(map(_interval, values))


def _reliability(values: Mapping[str, Any]) -> Reliability:
    groups = tuple(
        Group(**{**own, "observed": _interval(own["observed"]), "ece": _interval(own["ece"])})
        for own in values["groups"]
    )
    return Reliability(
        **{
            **values,
            "chance": tuple(values["chance"]),
            "share": tuple(values["share"]),
            "observed": _intervals(values["observed"]),
            "ece": _interval(values["ece"]),
            "groups": groups,
        }
    )


def _panel(values: Mapping[str, Any]) -> PanelOrder:
    intervals = {name: _interval(values[name]) for name in ("tau", "tau_better", "regret")}
    estimates = tuple(EstimateOrder(**own) for own in values["estimates"])
    return PanelOrder(**{**values, **intervals, "estimates": estimates})


def _gain(values: Mapping[str, Any]) -> Gain:
    true = None if values["true"] is None else _interval(values["true"])
    return Gain(**{**values, "simulated": _interval(values["simulated"]), "true": true})


def _ends(values: Mapping[str, Any]) -> SessionEnds:
    return SessionEnds(
        values["told"],
        _interval(values["logged"]),
        _interval(values["simulated"]),
        _intervals(values["logged_by_place"]),
        _intervals(values["simulated_by_place"]),
    )


def _behaviour(values: Mapping[str, Any]) -> Behaviour:
    def sessions(own: Mapping[str, Any]) -> Sessions:
        return Sessions(
            {name: _interval(found) for name, found in own["figures"].items()},
            _intervals(own["popularity"]),
            _intervals(own["diversity"]),
            own["users"],
        )

    return Behaviour(
        values["policy"],
        values["patience"],
        sessions(values["logged"]),
        sessions(values["simulated"]),
        None if values.get("ends") is None else _ends(values["ends"]),
    )
