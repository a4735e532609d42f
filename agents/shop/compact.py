"""``CompactPolicy``: a small network that scores each valid action by its features."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from agents.shop.policy import ScoringPolicy
from agents.shop.shop_pool import ShopObservation
from llmrec_env.common.errors import DataError
from llmrec_env.common.file_errors import told
from llmrec_env.common.files import atomic_path, local_path
from llmrec_env.common.saved_folder import read_described, write_described
from llmrec_env.common.tensor_files import read_finite
from llmrec_env.envs.shop.views.features import ACTION_SIZE, EMBEDDING, STATE_SIZE


@dataclass(frozen=True)
class CompactConfig:
    """Sizes of the network."""

    width: int = 128
    """Units of each layer."""
    dropout: float = 0.1
    """Share of activations dropped in training."""
    relations: int = 0
    """Ways in which an action's words can answer a clause of the instruction. With few rollouts
    they are learned by heart, but other words for the same thing can be learned in no other way."""
    seed: int = 0
    """Draws the initial weights."""


class CompactPolicy(ScoringPolicy):
    """Scores ``observation="features"``: each action sees itself, the page and all the others.

    An action's features and the state's pass a layer; the mean and the maximum over the valid
    actions join each of them, so that "there is an option still to choose" can be said; a second
    layer scores. It has no vocabulary: words come as matches and frozen hashed embeddings, so what
    it learns holds for products that it never saw.

    Args:
        config: sizes.
    """

    observation = "features"
    WEIGHTS = "compact.safetensors"

    def __init__(self, config: CompactConfig | None = None) -> None:
        super().__init__()
        self.config = config or CompactConfig()
        width, relations = self.config.width, self.config.relations
        with torch.random.fork_rng([]):
            torch.manual_seed(self.config.seed)
            self.read_state = nn.Linear(STATE_SIZE, width)
            self.relate = nn.Parameter(torch.randn(relations, EMBEDDING, EMBEDDING) / EMBEDDING)
            self.read_action = nn.Linear(ACTION_SIZE - EMBEDDING + relations, width)
            self.mix_action = nn.Linear(width, width, bias=False)
            self.mix_page = nn.Linear(3 * width, width)
            self.score = nn.Linear(width, 1)
            self.value = nn.Sequential(nn.Linear(3 * width, width), nn.ReLU(), nn.Linear(width, 1))
        self.dropout = nn.Dropout(self.config.dropout)

    def forward(self, observations: Sequence[ShopObservation]) -> tuple[Tensor, Tensor]:
        """Log-probabilities float32 (N, A) of the valid actions, and values float32 (N,)."""
        counts = np.array([len(one.actions) for one in observations])
        owner = self._tensor(np.repeat(np.arange(len(observations)), counts))
        each = self._read_actions(observations, owner)
        page = self.dropout(torch.relu(self.read_state(self._stack(observations, "state"))))
        total = each.new_zeros(page.shape).index_add_(0, owner, each)
        where = owner.unsqueeze(1).expand_as(each)
        most = each.new_zeros(page.shape).scatter_reduce(0, where, each, "amax")
        mean = total / self._tensor(counts.astype(np.float32)).unsqueeze(1)
        around = torch.cat([page, mean, most], dim=1)
        mixed = torch.relu(self.mix_action(each) + self.mix_page(around)[owner])
        valid = self._tensor(np.arange(counts.max()) < counts[:, None])
        scores = each.new_full(valid.shape, -torch.inf)
        scores = scores.masked_scatter(valid, self.score(mixed).squeeze(1))
        return torch.log_softmax(scores, dim=1), self.value(around).squeeze(1)

    def _read_actions(self, observations: Sequence[ShopObservation], owner: Tensor) -> Tensor:
        """The valid actions of all observations, one after the other, float32 (M, width)."""
        parts = [one.content["actions"][: len(one.actions) * ACTION_SIZE] for one in observations]
        rows = self._tensor(np.concatenate(parts).reshape(-1, ACTION_SIZE))
        matches, words = rows[:, :-EMBEDDING], rows[:, -EMBEDDING:]
        if self.config.relations:
            clauses = self._stack(observations, "clauses").view(len(observations), -1, EMBEDDING)
            wanted = torch.einsum("nce,ref->nrcf", clauses, self.relate)[owner]
            answers = torch.einsum("mrcf,mf->mrc", wanted, words).amax(dim=2)
            matches = torch.cat([matches, answers], dim=1)
        hidden: Tensor = self.dropout(torch.relu(self.read_action(matches)))
        return hidden

    def _stack(self, observations: Sequence[ShopObservation], name: str) -> Tensor:
        return self._tensor(np.stack([one.content[name] for one in observations]))

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(self.score.weight.device)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the weights and sizes into a folder, whole or not at all."""
        with atomic_path(folder) as temporary:
            temporary.mkdir()
            save_file(self.state_dict(), temporary / self.WEIGHTS)
            write_described(temporary, asdict(self.config))

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> CompactPolicy:
        """Read what :meth:`save` wrote, ready to act.

        Raises:
            DataError: the folder holds no such policy, or one that is not as it was saved.
        """
        path = local_path(folder, "policy")
        try:
            policy = cls(CompactConfig(**read_described(path)))
            policy.load_state_dict(read_finite(path / cls.WEIGHTS))
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise DataError(
                f"{folder}: no compact policy ({told(error):.300}); expected a folder that "
                "`llmrec shop train` or save() wrote"
            ) from None
        return policy.eval()
