"""``NextItemSettings``: what may change of an environment with users while it is used."""

from __future__ import annotations

from typing import Any

from llmrec_env.envs.common.arguments import Arguments
from llmrec_env.envs.next_item.users_in_episodes import UsersInEpisodes


class NextItemSettings(Arguments):
    """``patience`` and ``reward_on``, which hold at once when they are set, for a curriculum."""

    changeable = Arguments.changeable | {"patience", "reward_on"}
    rules: UsersInEpisodes[Any]

    @property
    def patience(self) -> int:
        """Skips in a row that a user bears. Who had more patience left than it is set to has all
        of it left."""
        return self.rules.patience

    @patience.setter
    def patience(self, patience: int) -> None:
        self.rules.patience = patience

    @property
    def reward_on(self) -> str:
        """Which reward term is paid, such as ``"shown"`` or ``"accept"``."""
        return self.rules.reward_on

    @reward_on.setter
    def reward_on(self, reward_on: str) -> None:
        self.rules.reward_on = reward_on
