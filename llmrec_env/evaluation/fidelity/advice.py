"""What a user is to do about each figure of a card that is bad."""

from __future__ import annotations

from llmrec_env.evaluation.fidelity.advised import Advice, shown
from llmrec_env.evaluation.fidelity.behaviour import (
    DIVERSITY,
    LENGTH,
    POPULARITY,
    REPEATS,
    RETURN,
    SWITCHING,
)
from llmrec_env.evaluation.fidelity.calibration import Group
from llmrec_env.evaluation.fidelity.card import POPULARITY as BY_POPULARITY
from llmrec_env.evaluation.fidelity.card import SIMULATOR, FidelityCard
from llmrec_env.evaluation.fidelity.dynamics import leaving, looking_ahead
from llmrec_env.evaluation.fidelity.moments import POPULAR, UNIFORM
from llmrec_env.evaluation.fidelity.outcomes import LEFT, SHOWN, TRUTH
from llmrec_env.evaluation.fidelity.outside import estimates, other_log, policies
from llmrec_env.evaluation.fidelity.wording import of_taking
from llmrec_env.evaluation.intervals import Interval

ECE_GOAL = 0.03
"""A calibration error up to which the chance of taking is to be believed."""
FAR = 0.1
"""By how much behaviour may differ, as a share of what the log has."""
FEW = 30
"""Users below which intervals say little."""


def advice(card: FidelityCard) -> tuple[Advice, ...]:
    """The figures of a card that are bad, the most serious first; empty where none is."""
    parts = (
        *(_users, _acceptance, other_log, _liking, _truth, _calibration),
        *(policies, estimates, looking_ahead, leaving, _behaviour, _level),
    )
    return tuple(found for part in parts for found in part(card))


def _users(card: FidelityCard) -> list[Advice]:
    users = card.about["judged_users"]
    if users >= FEW:
        return []
    return [
        Advice(
            f"judged users {users}",
            f"Fewer than {FEW} users say little: judge by a larger log, or hold out more users.",
        )
    ]


def _acceptance(card: FidelityCard) -> list[Advice]:
    found = []
    for kind in ("popular", "same category", "uniform"):
        name = f"accuracy, {kind}"
        own = card.acceptance[SIMULATOR].get(name)
        if own is None:
            continue
        if own.low <= 0.5:
            found.append(Advice(f"{of_taking(name)} {shown(own)}", _coin(card)))
            continue
        better = _better(card, "acceptance", name)
        if better is not None:
            found.append(
                Advice(
                    f"{of_taking(name)} {shown(own)} against {better[1].mean:.3f} of {better[0]}",
                    f"{better[0]} tells better what is taken: fit with item ids (--item-ids), a "
                    "sentence encoder (--item-encoder) or more passes, and trust no policy that "
                    f"wins in the simulator and loses to {better[0]} on held-out users.",
                )
            )
    return found


def _coin(card: FidelityCard) -> str:
    """What to do where takes are not told: the liking is another answer, and may be right."""
    liking = _known_liking(card)
    if liking is None:
        return (
            "It may be no better than a coin: do not train on its answers. Fit it on more users, "
            "with item ids (--item-ids) and texts that say more."
        )
    return (
        "What it takes may be told no better than by a coin: believe neither takes nor the length "
        "of sessions, which follows from them. How it likes items is another answer, and follows "
        f"people (Spearman {shown(liking)}): the reward may be that liking, as it is by default "
        '(reward_on="shown"). For takes fit it on more users, with item ids (--item-ids).'
    )


def _known_liking(card: FidelityCard) -> Interval | None:
    """How well the reward follows ratings, or else the truth; None where it is not seen to."""
    if card.liking:
        own, least = card.liking[SIMULATOR]["Spearman"], 0.0
    elif card.truth:
        own = card.truth[SIMULATOR]["Spearman"]
        least = card.truth[BY_POPULARITY]["Spearman"].mean
    else:
        return None
    return own if own.low > least else None


def _liking(card: FidelityCard) -> list[Advice]:
    if not card.liking:
        return []
    own = card.liking[SIMULATOR]["Spearman"]
    if own.low <= 0:
        return [
            Advice(
                f"Spearman with ratings {shown(own)}",
                "Its reward may say nothing of how much items are liked: fit with --feedback "
                "rating, or call the reward a chance of taking and not a liking.",
            )
        ]
    better = _better(card, "liking", "Spearman")
    if better is None:
        return []
    return [
        Advice(
            f"Spearman with ratings {shown(own)} against {better[1].mean:.3f} of {better[0]}",
            f"{better[0]} orders what people like better: fit with --feedback rating and item ids; "
            "until then returns in the simulator are a rough guide to satisfaction.",
        )
    ]


def _truth(card: FidelityCard) -> list[Advice]:
    if not card.truth:
        return []
    own, popular = card.truth[SIMULATOR]["Spearman"], card.truth[BY_POPULARITY]["Spearman"]
    if own.low > popular.mean:
        return []
    return [
        Advice(
            f"Spearman with the truth {shown(own)} against {popular.mean:.3f} of popularity",
            "Its reward knows no more of the true users than what sells: compare policies on "
            "logged data (off-policy evaluation) and not by their simulated returns.",
        )
    ]


def _level(card: FidelityCard) -> list[Advice]:
    if SHOWN in card.calibration:
        return []
    rate = card.about["accept_rate"]
    told = "" if rate is None else f" {rate:g}"
    return [
        Advice(
            f"accept rate{told}, not judged",
            "The log does not say what was shown and left, so how often users take anything is a "
            "stated prior: set accept_rate to what your service sees, or fit on a log with skips; "
            "read returns as comparisons, not as counts.",
        )
    ]


def _calibration(card: FidelityCard) -> list[Advice]:
    found = []
    for against, curve in card.calibration.items():
        if curve.ece.mean > ECE_GOAL and curve.ece.low > curve.floor:
            why = _OFF[SHOWN if against == card.judged_against else against]
            found.append(Advice(f"ECE against {against} {shown(curve.ece)}", why))
    return [*found, *_groups(card)]


def _groups(card: FidelityCard) -> list[Advice]:
    """Groups that are taken more or less often than people do, whatever was shown.

    Whether rare items are taken too seldom depends on how often they were shown. Where neither that
    nor the truth is known, both draws have to say so.
    """
    known = [name for name in (TRUTH, SHOWN) if name in card.calibration][:1]
    curves = [card.calibration[name] for name in known or (POPULAR, UNIFORM)]
    found = []
    for group in curves[0].groups:
        same = [own for curve in curves for own in curve.groups if own.name == group.name]
        if len(same) < len(curves) or not (all(map(_above, same)) or all(map(_below, same))):
            continue
        figure = f"{group.name}: chance {group.chance:.3f}, taken {shown(group.observed)}"
        found.append(Advice(figure, (_ITEMS if group.of_items else _USERS)[_above(group)]))
    return found


_ITEMS = {
    True: "Simulated users take these more often than people do, so a policy trained here shows "
    "too many of them: shape its reward, or compare policies within the group.",
    False: "Simulated users take these less often than people do, so a policy trained here shows "
    "too few of them: shape its reward, or compare policies within the group.",
}
_USERS = {
    True: "These users take less than their simulated ones: their sessions are too long and their "
    "returns too high. Compare policies within the group, and give it an accept_rate of its own.",
    False: "These users take more than their simulated ones: their sessions are too short and "
    "their returns too low. Compare policies within the group, and give it an accept_rate of its "
    "own.",
}


def _above(group: Group) -> bool:
    """Whether the chance of a group is surely too high, by more than is allowed."""
    return group.chance > max(group.observed.high, group.observed.mean + ECE_GOAL)


def _below(group: Group) -> bool:
    return group.chance < min(group.observed.low, group.observed.mean - ECE_GOAL)


_OFF = {
    SHOWN: (
        "Chances of taking are not to be read as such: calibrate again on users of the log that "
        "you will act on (llmrec_env.language.calibration.calibrate), best on one that keeps what "
        "was shown and left; trust no policy that lives on the difference between two chances."
    ),
    LEFT: (
        "Popular items that users never took are told from what they took otherwise than the "
        "chances say; what was shown is known, so trust that figure first."
    ),
    POPULAR: (
        "If popular items had been shown to everybody alike, takes would lie closer to what the "
        "simulator thinks best: either your log showed people what they like, or accept_rate is "
        "too high. Compare policies at a lower accept_rate too."
    ),
    UNIFORM: (
        "If the log's items had been shown all alike, people would take popular ones more often, "
        "and rare ones less often, than simulated users do: these take popularity for exposure. "
        "Where it is taste in your log, fit on one whose items were shown at random."
    ),
    TRUTH: (
        "The chances differ from the true ones, which a log of takes cannot tell: fit on a log "
        "that keeps what was shown and left."
    ),
}


def _behaviour(card: FidelityCard) -> list[Advice]:
    both = card.behaviour
    if both is None:
        return []
    found = []
    for name, logged in both.logged.figures.items():
        own = both.simulated.figures.get(name)
        if own is None or (own.low <= logged.high and logged.low <= own.high):
            continue
        if abs(own.mean - logged.mean) <= FAR * abs(logged.mean):
            continue
        more = own.mean > logged.mean
        found.append(
            Advice(f"{name}: simulated {own.mean:.3f}, logged {logged.mean:.3f}", _WHY[name][more])
        )
    return found


_WHY = {
    LENGTH: {
        True: "Simulated sessions are longer: lower patience or accept_rate of the environment.",
        False: "Simulated sessions are shorter: raise patience or accept_rate of the environment, "
        "and read returns per step.",
    },
    REPEATS: {
        True: "They come back to a category more than people do: do not judge diversity here, or "
        "shape it (DiversityReward).",
        False: "They come back to a category less than people do: policies that stay with what was "
        "liked look worse here than they are.",
    },
    RETURN: {
        True: "They come back to what they took before more than people do: policies that show "
        "what a user knows are flattered.",
        False: "They come back to what they took before less than people do: policies that show "
        "what a user knows look worse here than they are.",
    },
    SWITCHING: {
        True: "They change category more than people do: runs of one kind are worth more than the "
        "simulator says.",
        False: "They stay with a category longer than people do: boredom is missing, so do not use "
        "it to plan within a session.",
    },
    POPULARITY: {
        True: "They take more popular items than people do: a policy that shows what is popular is "
        "flattered.",
        False: "They take rarer items than people do: a policy that shows rare items is flattered.",
    },
    DIVERSITY: {
        True: "What they take is more diverse than what people take in a session.",
        False: "What they take is less diverse than what people take in a session: narrow policies "
        "are flattered.",
    },
}


def _better(card: FidelityCard, part: str, name: str) -> tuple[str, Interval] | None:
    """The best of the baselines that are surely better than the simulator in a figure."""
    rows = getattr(card, part)
    better = {
        who: rows[who][name]
        for who, own in card.differences.items()
        if name in own and own[name].high < 0
    }
    if not better:
        return None
    who = max(better, key=lambda other: better[other].mean)
    return who, better[who]
