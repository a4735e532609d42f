"""The d3rlpy algorithms that we compare, with their settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from llmrec_env.offline.d3rlpy.history_encoder import HistoryEncoderFactory
from llmrec_env.offline.d3rlpy.library import d3rlpy

Actions = Literal["item", "embedding"]
"""What an action is: an item, or a point in item space, whose nearest item is shown."""

IMITATION: dict[str, Any] = {"batch_size": 256, "learning_rate": 1e-3}
Q_LEARNING = {**IMITATION, "gamma": 0.5, "target_update_interval": 100}
"""d3rlpy would copy the target every 8,000 steps, which is longer than our algorithms learn."""
ACTOR_CRITIC: dict[str, Any] = {
    **{"batch_size": 256, "actor_learning_rate": 1e-3, "critic_learning_rate": 1e-3, "gamma": 0.5}
}
HIDDEN = 256
"""Width of the one hidden layer on which every head stands, whatever the algorithm reads."""


@dataclass(frozen=True)
class Algorithm:
    """One of d3rlpy's algorithms.

    Attributes:
        label: how tables call it.
        library_name: how d3rlpy calls it.
        settings: those that a table names: where they are not d3rlpy's own, or where the default
            matters.
        actions: what it learns to choose, as :func:`to_mdp_dataset` takes it.
    """

    label: str
    library_name: str
    settings: dict[str, Any]
    actions: Actions = "item"

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
        encoders = [name for name in vars(config()) if name.endswith("encoder_factory")]
        return config(**dict.fromkeys(encoders, encoder), **self.settings).create()


ALGORITHMS = {
    "bc": Algorithm("BC", "DiscreteBC", IMITATION),
    "dqn": Algorithm("DQN", "DQN", Q_LEARNING),
    "double_dqn": Algorithm("Double DQN", "DoubleDQN", Q_LEARNING),
    "cql": Algorithm("CQL", "DiscreteCQL", {**Q_LEARNING, "alpha": 1.0}),
    "bcq": Algorithm("BCQ", "DiscreteBCQ", {**Q_LEARNING, "action_flexibility": 0.3}),
    "nfq": Algorithm("NFQ", "NFQ", {**IMITATION, "gamma": 0.5}),
    "sac": Algorithm("SAC", "DiscreteSAC", {**ACTOR_CRITIC, "target_update_interval": 100}),
    "point_bc": Algorithm("BC of points", "BC", IMITATION, "embedding"),
    "td3_bc": Algorithm("TD3+BC", "TD3PlusBC", {**ACTOR_CRITIC, "alpha": 2.5}, "embedding"),
    "iql": Algorithm("IQL", "IQL", {**ACTOR_CRITIC, "expectile": 0.7}, "embedding"),
    "point_cql": Algorithm(
        "CQL of points", "CQL", {**ACTOR_CRITIC, "conservative_weight": 5.0}, "embedding"
    ),
    "awac": Algorithm("AWAC", "AWAC", {**ACTOR_CRITIC, "lam": 1.0}, "embedding"),
}
COMPARED = ("bc", "dqn", "double_dqn", "cql", "bcq")
"""Those that the benchmark compares where nobody names others."""
