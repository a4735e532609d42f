"""``Projection``: semi-whitening, which puts what a model makes of texts in one comparable space.

Each principal direction is scaled by the root of its root, so that neither the few common
directions nor the many noisy ones rule the cosine. The directions are those of the items that an LE
began with; texts that come later are put where these are.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Projection:
    """Principal directions of some vectors, each with the scale that it has among them.

    Attributes:
        centre: (E,), the vectors' mean.
        directions: (D, E), the largest first.
        scales: (D,), singular values.
    """

    centre: Tensor
    directions: Tensor
    scales: Tensor

    @classmethod
    def of(cls, vectors: Tensor, size: int) -> Projection:
        """The first ``size`` directions of vectors (n, E), fewer where there are no more."""
        centre = vectors.double().mean(0)
        _, scales, directions = torch.linalg.svd(vectors.double() - centre, full_matrices=False)
        size = min(size, len(scales))
        return cls(centre, directions[:size].clone(), scales[:size].clone())

    def __call__(self, vectors: Tensor) -> Tensor:
        """Unit rows float32 (n, D) of vectors (n, E): projected, and scaled by sd^-1/2."""
        centred = vectors.double() - self.centre.double()
        projected = centred @ self.directions.double().T
        projected = projected / self.scales.double().clamp(min=1e-6).sqrt()
        return torch.nn.functional.normalize(projected.float(), dim=1)
