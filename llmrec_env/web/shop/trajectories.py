"""``Trajectories``: what people did in the shop, saved so that nothing is lost when it is killed.

``rollouts.json`` holds the finished episodes, in the format of :mod:`agents.shop.rollouts`, from
which any agent learns; ``running.json`` the others, so that people go on after a restart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from agents.shop.rollouts import Rollout, load_rollouts, save_rollouts
from llmrec_env.common.errors import DataError
from llmrec_env.common.run_folder import RunFolder

ROLLOUTS, RUNNING = "rollouts.json", "running.json"


class Trajectories:
    """The episodes of people in one shop.

    Args:
        folder: claimed for this shop.

    Attributes:
        finished: every finished episode, in the order in which they ended.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self.path = folder.path / ROLLOUTS
        self.finished: list[Rollout] = load_rollouts(self.path) if folder.has(ROLLOUTS) else []

    def left_running(self) -> Iterator[tuple[str, Rollout]]:
        """Episodes that were not finished when the shop was stopped, by the secrets of the cookies
        of those whose they are.

        Raises:
            DataError: the file is damaged.
        """
        kept = self._folder.read(RUNNING) if self._folder.has(RUNNING) else {}
        try:
            for token, row in kept.items():
                actions = tuple(map(str, row["actions"]))
                yield token, Rollout(int(row["goal"]), str(row["instruction"]), actions, 0.0, False)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{self._folder.path / RUNNING}: no running episodes ({error!r}); remove it to "
                "begin without them"
            ) from None

    def keep_running(self, running: Mapping[str, Rollout]) -> None:
        """Write down what everybody has done so far, by the secrets of their cookies."""
        names = ("goal", "instruction", "actions")
        rows = {token: {name: getattr(r, name) for name in names} for token, r in running.items()}
        self._folder.write(RUNNING, rows)

    def add(self, rollout: Rollout) -> int:
        """Save a finished episode; returns its number, from 0."""
        save_rollouts(self.path, [*self.finished, rollout])
        self.finished.append(rollout)
        return len(self.finished) - 1
