"""Trains a recommender's network: its Q-learning copies, and the sum of the loss terms."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from agents.config import RecommenderConfig
from agents.data import TrainingData
from agents.network import Network
from agents.objectives import Outputs
from agents.windows import WindowBatches
from llmrec_env.common import processes
from llmrec_env.common.training import TrainingConfig, TrainingHistory, train

METRIC = "NDCG@10"


def fit_network(
    network: Network,
    data: TrainingData,
    config: RecommenderConfig,
    evaluate: Callable[[], dict[str, float]] | None = None,
    folder: str | Path | None = None,
) -> TrainingHistory:
    """Fit ``network``, in place, to ``data``.

    Args:
        network: what will serve; under Q-learning it is one of two copies.
        data: the log, labelled and augmented.
        config: objective, lengths, rates.
        evaluate: validation metrics of ``network`` as it stands, among them NDCG@10.
        folder: where checkpoints go.
    """
    copies = Copies(network, config)
    terms, how = config.terms(), config.training
    device = next(network.parameters()).device
    batches = WindowBatches(data.windows, how.batch_size, how.seed)
    steps_a_pass = -(-batches.per_epoch * config.objective.copies // processes.count())

    def loss(number: int, rng: np.random.Generator) -> dict[str, Tensor]:
        # Phases, and when a copy is overwritten, go by the step: so in all processes at once.
        step = number // processes.count()
        batch = data.batch(batches(number), rng, device, passes=step / steps_a_pass)
        outputs = Outputs(*copies.roles(step, rng), batch)
        return {term.name: term(outputs, batch) for term in terms}

    settings = TrainingConfig(
        steps=how.epochs * steps_a_pass,
        learning_rate=how.learning_rate,
        weight_decay=how.weight_decay,
        evaluate_every=steps_a_pass,
        patience=how.patience,
        seed=how.seed,
    )
    names = (config.backbone.name, config.objective.name, config.language.variant)
    return train(
        copies,
        loss,
        settings,
        evaluate=evaluate,
        metric=METRIC,
        folder=folder,
        run=str(config.with_settings(device="")),  # two objectives may have the same parameters
        description=" ".join(names).strip(),
    )


class Copies(nn.Module):
    """The network that will serve and, where Q-learning needs one, a second full copy of it.

    Double Q-learning needs a value that does not chase itself. Under the "twin" scheme a fair coin
    picks, for each batch, the copy that learns; the other values its choices. Under the "periodic"
    scheme the second copy never learns and is overwritten by the first now and then.

    Args:
        network: the copy that will serve.
        config: of the recommender.
    """

    def __init__(self, network: Network, config: RecommenderConfig) -> None:
        super().__init__()
        self.objective = config.objective
        self.networks = nn.ModuleList([network])
        if config.objective.q_weights:
            with torch.random.fork_rng([]):
                torch.manual_seed(config.training.seed + 1)
                second = config.create(network.n_items, network.state_size)
            if config.item_init == "text":
                known = network.encoder.item_embedding.weight[: network.n_items]
                second.encoder.begin_with(known.cpu())
            self.networks.append(second.to(next(network.parameters()).device))

    def roles(self, step: int, rng: np.random.Generator) -> tuple[Network, Network]:
        """The copy that learns in this step and the one that gives targets, without dropout."""
        first, second = self.networks[0], self.networks[-1]
        if self.objective.copies == 2 and rng.random() < 0.5:
            first, second = second, first
        if self.objective.copies_target(step):
            second.load_state_dict(first.state_dict())
        if second is not first:
            second.eval()
        assert isinstance(first, Network)
        assert isinstance(second, Network)
        return first, second
