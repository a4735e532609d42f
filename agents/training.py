"""How a network learns: copies, the coin that picks the learner, and the sum of the loss terms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from agents.config import RecommenderConfig
from agents.data import TrainingData
from agents.network import Network
from agents.objectives import Outputs, loss_terms
from llmrec_env.common import processes
from llmrec_env.common.training import TrainingConfig, TrainingHistory, train
from llmrec_env.data.item_windows import WindowBatches

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
    terms = loss_terms(config)
    device = next(network.parameters()).device
    batches = WindowBatches(data.windows, config.batch_size, config.seed)

    steps_a_pass = -(-batches.per_epoch * config.copies // processes.count())

    def loss(number: int, rng: np.random.Generator) -> dict[str, Tensor]:
        # Phases, and when a copy is overwritten, go by the step: so in all processes at once.
        step = number // processes.count()
        batch = data.batch(batches(number), rng, device, passes=step / steps_a_pass)
        outputs = Outputs(*copies.roles(step, rng), batch)
        return {term.name: term(outputs, batch) for term in terms}

    settings = TrainingConfig(
        steps=config.epochs * steps_a_pass,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        evaluate_every=steps_a_pass,
        patience=config.patience,
        seed=config.seed,
    )
    return train(
        copies,
        loss,
        settings,
        evaluate=evaluate,
        metric=METRIC,
        folder=folder,
        run=str(replace(config, device="")),  # two objectives may have the same parameters
        description=f"{config.backbone} {config.objective} {config.variant}".strip(),
    )


class Copies(nn.Module):
    """The network that will serve and, where Q-learning needs one, a second full copy of it.

    Double Q-learning needs a value that does not chase itself. Under the "twin" scheme a fair coin
    picks, for each batch, the copy that learns; the other values its choices. Under the "periodic"
    scheme the second copy never learns and is overwritten by the first now and then.
    """

    def __init__(self, network: Network, config: RecommenderConfig) -> None:
        super().__init__()
        self.config = config
        self.networks = nn.ModuleList([network])
        if config.framework.q_heads:
            with torch.random.fork_rng([]):
                torch.manual_seed(config.seed + 1)
                second = Network(config, network.n_items, network.state_size)
            if config.item_init == "text":
                known = network.encoder.item_embedding.weight[: network.n_items]
                second.encoder.begin_with(known.cpu())
            self.networks.append(second.to(next(network.parameters()).device))

    def roles(self, step: int, rng: np.random.Generator) -> tuple[Network, Network]:
        """The copy that learns in this step and the one that gives targets, without dropout."""
        first, second = self.networks[0], self.networks[-1]
        if self.config.copies == 2 and rng.random() < 0.5:
            first, second = second, first
        if self.config.target == "periodic" and step % self.config.target_period == 0:
            second.load_state_dict(first.state_dict())
        if second is not first:
            second.eval()
        assert isinstance(first, Network)
        assert isinstance(second, Network)
        return first, second
