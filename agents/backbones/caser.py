"""Caser, a convolutional sequence encoder (Tang and Wang, WSDM 2018; arXiv 1809.07426)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from agents.backbones.base import (
    BackboneConfig,
    Dropout,
    Reading,
    SequenceEncoder,
    delayed,
    initialise,
)
from agents.settings import check_positive
from llmrec_env.common.errors import SettingError


@dataclass(frozen=True, kw_only=True)
class CaserConfig(BackboneConfig):
    """Caser (Tang and Wang, "Personalized Top-N Sequential Recommendation via Convolutional
    Sequence Embedding", arXiv 1809.07426).

    ``s = norm(relu(W [o_1, ..., o_window, v]))`` over the last ``window`` item vectors E: ``o_h``
    the largest response ``max_i relu(F_h . E[i:i+h])`` of each horizontal filter of height h, and
    ``v`` the weighted sums over the rows of E (vertical filters).

    Raises:
        SettingError: a value is out of range, or ``window`` exceeds ``max_length``.
    """

    name: ClassVar[str] = "caser"
    title: ClassVar[str] = "Caser"

    window: int = 5
    """Last items that it sees."""
    horizontal_filters: int = 16
    """Horizontal filters of each height from 1 to ``window``."""
    vertical_filters: int = 4
    """Vertical filters."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "window", "horizontal_filters", "vertical_filters")
        if self.window > self.max_length:
            raise SettingError(
                f"Caser sees the last window={self.window} items, and no history is read further "
                f"back than max_length={self.max_length}; lower the one or raise the other"
            )

    def create(self, n_items: int) -> Caser:
        """An encoder of these sizes."""
        filters = (self.horizontal_filters, self.vertical_filters)
        return Caser(n_items, self.dim, self.window, *filters, self.dropout)


class Caser(SequenceEncoder):
    """Convolutions over the last ``window`` items, taken as an image of one item a row.

    A horizontal filter spans some consecutive items, and what counts is its strongest response at
    any place; a vertical filter is a weighted sum over the items::

        window 3       height 1    height 2     height 3     vertical
        item t - 2     x . .       x .          x            w1
        item t - 1     . x .       x x          x            w2
        item t         . . x       . x          x            w3
                       max         max

    Rows before the first item are zeros, and a filter does not respond where it meets none.
    The published network also has a vector for each user; here users are new, so it has none. The
    states are normalised as those of the other encoders are.
    """

    def __init__(
        self,
        n_items: int,
        dim: int = 64,
        window: int = 5,
        horizontal_filters: int = 16,
        vertical_filters: int = 4,
        dropout: float = 0.5,
    ) -> None:
        super().__init__(n_items, dim)
        self.window = window
        self.horizontal = nn.ModuleList(
            nn.Linear(height * dim, horizontal_filters) for height in range(1, window + 1)
        )
        self.vertical = nn.Linear(window, vertical_filters)
        self.dropout = Dropout(dropout)
        self.merge = nn.Linear(window * horizontal_filters + vertical_filters * dim, dim)
        self.norm = nn.LayerNorm(dim)
        initialise(self.item_embedding)

    def read(self, items: Tensor) -> Reading:
        """Read histories, int64 (B, T).

        The memory is the last ``window`` items up to each, float32 (B, T, window * dim), and the
        responses (B, T, horizontal_filters) of every height to those that end there.
        """
        x = self._embed(items)
        recent = torch.cat([delayed(x, self.window - 1 - i) for i in range(self.window)], dim=-1)
        responses = self._respond(recent)
        strongest = [_strongest(r, self.window - i) for i, r in enumerate(responses)]
        return Reading(self._state(recent, strongest), [recent, *responses])

    def extend(self, reading: Reading, appended: Tensor) -> Tensor:
        """States after every prefix with one more item: only filters that end there respond."""
        recent, *before = reading.memory
        recent = torch.cat([recent[..., self.dim :], self._embed(appended)], dim=-1)
        responses = self._respond(recent)
        for i, old in enumerate(before[:-1]):  # the highest filter has but one place
            responses[i] = torch.maximum(responses[i], _strongest(old, self.window - 1 - i))
        return self._state(recent, responses)

    def _embed(self, items: Tensor) -> Tensor:
        return self.item_embedding(items) * self.dim**0.5

    def _respond(self, recent: Tensor) -> list[Tensor]:
        """Responses of each height, lowest first, to the last items: (B, T, filters)."""
        return [
            F.relu(filters(recent[..., -height * self.dim :]))
            for height, filters in enumerate(self.horizontal, start=1)
        ]

    def _state(self, recent: Tensor, strongest: list[Tensor]) -> Tensor:
        rows = recent.unflatten(-1, (self.window, self.dim))
        sums = self.vertical(rows.transpose(-1, -2)).flatten(-2)
        return self.norm(F.relu(self.merge(self.dropout(torch.cat([*strongest, sums], dim=-1)))))


def _strongest(responses: Tensor, places: int) -> Tensor:
    """The largest of the last ``places`` responses up to each; none is below 0."""
    padded = F.pad(responses.transpose(1, 2), (places - 1, 0))
    return F.max_pool1d(padded, places, stride=1).transpose(1, 2)
