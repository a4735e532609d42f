"""The algorithms of the benchmark, with settings that hold for every dataset."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SHARED = {"batch_size": 256, "learning_rate": 1e-3}
Q_LEARNING = {"gamma": 0.5, "target_update_interval": 100}
HIDDEN = 256
"""Width of the one hidden layer on which every head stands, whatever the algorithm reads."""


@dataclass(frozen=True)
class Algorithm:
    """One of d3rlpy's algorithms of discrete actions."""

    label: str
    """How tables call it."""
    library_name: str
    """How d3rlpy calls it."""
    options: dict[str, Any] = field(default_factory=dict)
    """Its settings where they are not d3rlpy's own defaults, or where the default matters."""

    @property
    def settings(self) -> dict[str, Any]:
        """All settings that a table names."""
        return {**SHARED, **self.options}

    def create(self, kind: str, n_items: int) -> Any:
        """The algorithm with new weights.

        Args:
            kind: of states, as :class:`Transitions` names them: "history" or "language".
            n_items: size of the catalogue.
        """
        import d3rlpy

        from llmrec_env.offline.d3rlpy import HistoryEncoderFactory

        if kind == "history":
            encoder: Any = HistoryEncoderFactory(n_items, hidden_size=HIDDEN)
        else:
            encoder = d3rlpy.models.VectorEncoderFactory([HIDDEN])
        config = getattr(d3rlpy.algos, f"{self.library_name}Config")
        return config(encoder_factory=encoder, **self.settings).create()


ALGORITHMS = {
    "bc": Algorithm("BC", "DiscreteBC"),
    "dqn": Algorithm("DQN", "DQN", Q_LEARNING),
    "double_dqn": Algorithm("Double DQN", "DoubleDQN", Q_LEARNING),
    "cql": Algorithm("CQL", "DiscreteCQL", {**Q_LEARNING, "alpha": 1.0}),
    "bcq": Algorithm("BCQ", "DiscreteBCQ", {**Q_LEARNING, "action_flexibility": 0.3}),
}
