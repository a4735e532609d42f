"""The d3rlpy algorithms for discrete actions that we compare, with their settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from llmrec_env.offline.d3rlpy.history_encoder import HistoryEncoderFactory
from llmrec_env.offline.d3rlpy.library import d3rlpy

SHARED = {"batch_size": 256, "learning_rate": 1e-3}
Q_LEARNING = {"gamma": 0.5, "target_update_interval": 100}
"""d3rlpy would copy the target every 8,000 steps, which is longer than our algorithms learn."""
HIDDEN = 256
"""Width of the one hidden layer on which every head stands, whatever the algorithm reads."""


@dataclass(frozen=True)
class Algorithm:
    """One of d3rlpy's algorithms of discrete actions.

    Attributes:
        label: how tables call it.
        library_name: how d3rlpy calls it.
        options: its settings where they are not d3rlpy's own, or where the default matters.
    """

    label: str
    library_name: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, Any]:
        """All settings that a table names."""
        return {**SHARED, **self.options}

    def create(self, kind: str, n_items: int, hidden: Sequence[int] = (HIDDEN,)) -> Any:
        """The algorithm with new weights.

        Args:
            kind: of states, as :class:`llmrec_env.offline.table.Transitions` names them: "history",
                which :class:`HistoryEncoderFactory` reads, or "language", read by an MLP.
            n_items: size of the catalogue.
            hidden: widths of the MLP's layers.
        """
        if kind == "history":
            encoder: Any = HistoryEncoderFactory(n_items, hidden_size=HIDDEN)
        else:
            encoder = d3rlpy.models.VectorEncoderFactory(list(hidden))
        config = getattr(d3rlpy.algos, f"{self.library_name}Config")
        return config(encoder_factory=encoder, **self.settings).create()


ALGORITHMS = {
    "bc": Algorithm("BC", "DiscreteBC"),
    "dqn": Algorithm("DQN", "DQN", Q_LEARNING),
    "double_dqn": Algorithm("Double DQN", "DoubleDQN", Q_LEARNING),
    "cql": Algorithm("CQL", "DiscreteCQL", {**Q_LEARNING, "alpha": 1.0}),
    "bcq": Algorithm("BCQ", "DiscreteBCQ", {**Q_LEARNING, "action_flexibility": 0.3}),
}
