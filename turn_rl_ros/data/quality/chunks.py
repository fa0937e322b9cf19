"""A million rows through a formula whose intermediate results are much larger than a row."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

ROWS = 4096
"""Rows at a time: kinematics of seven joints then take 4 MB, which a processor's cache holds."""


def by_chunks(formula: Callable[..., NDArray], *columns: NDArray) -> NDArray:
    """`formula(*columns)`, worked out a few thousand rows at a time; columns are (n, ...)."""
    parts = (
        formula(*(column[start : start + ROWS] for column in columns)) for start in range(0, len(columns[0]), ROWS)
    )
    return np.concatenate(list(parts))
