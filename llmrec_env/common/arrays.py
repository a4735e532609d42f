"""Type aliases for numpy arrays, and arrays that are handed out without being given away."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float32]
Float64Array = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Dtype = TypeVar("Dtype", bound=np.generic)


def read_only(values: NDArray[Dtype]) -> NDArray[Dtype]:
    """The same numbers, which nobody can change through this array: a view, not a copy."""
    view: NDArray[Any] = np.asarray(values).view()
    view.flags.writeable = False
    return view
