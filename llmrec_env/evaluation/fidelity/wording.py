"""What an accuracy judges, in the names that people read; files keep the short names.

Whether an item that was taken stands above one that never was may be asked of two answers: of the
chance of taking it, and of the reward, which is the liking. Where the liking was learned from
ratings the two differ, since people do not take what they like best.
"""

from __future__ import annotations

ACCURACY = "accuracy"


def of_taking(name: str) -> str:
    """``accuracy, popular`` as ``accuracy of taking, popular``; other names as they are."""
    return _of(name, "taking")


def of_reward(name: str) -> str:
    """``accuracy, popular`` as ``accuracy of the reward, popular``; other names as they are."""
    return _of(name, "the reward")


def _of(name: str, judged: str) -> str:
    known = name == ACCURACY or name.startswith(f"{ACCURACY}, ")
    return name.replace(ACCURACY, f"{ACCURACY} of {judged}", 1) if known else name
