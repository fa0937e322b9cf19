"""What a foreign array must be before a row of it is believed; every refusal names the key and the row."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.errors import TurnRlError


class ExchangeError(TurnRlError):
    """A foreign file cannot be read as transitions, or a dataset cannot be written in the other format."""


def table(key: str, values: NDArray) -> NDArray[np.float32]:
    """`values` as (rows, size) float32; one number a row counts as a vector of one."""
    _refuse_kind(key, values, "biuf")
    if values.ndim not in (1, 2):
        raise ExchangeError(f"{key} has shape {values.shape}: one vector a row is needed; images are not supported")
    if not values.size:
        raise ExchangeError(f"{key} is empty, its shape is {values.shape}")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused as such
        single = np.ascontiguousarray(values.reshape(len(values), -1), dtype=np.float32)
    bad = ~np.isfinite(single)
    if bad.any():
        row, column = np.argwhere(bad)[0].tolist()
        raise ExchangeError(
            f"{key} is {single[row, column]} at row {row}, column {column} ({int(bad.any(axis=1).sum())} such rows)"
        )
    return single


def numbers(key: str, values: NDArray) -> NDArray[np.float32]:
    """`values` as (rows,) float32; (rows, 1) is taken too."""
    single = table(key, values)
    if single.shape[1] != 1:
        raise ExchangeError(f"{key} has shape {values.shape}, one number a row is needed")
    return single[:, 0]


def flags(key: str, values: NDArray) -> NDArray[np.bool_]:
    """`values` as (rows,) bool; numbers must be 0 or 1."""
    flat = numbers(key, values)
    bad = np.flatnonzero((flat != 0) & (flat != 1))
    if len(bad):
        raise ExchangeError(f"{key} is {flat[bad[0]]:g} at row {bad[0]}; a flag is 0 or 1")
    return flat.astype(bool)


def actions(key: str, values: NDArray) -> NDArray:
    """Vectors as (rows, size) float32, or whole numbers, one a row, as indices (rows,) int64."""
    _refuse_kind(key, values, "biuf")
    if values.dtype.kind in "fb" or values.ndim == 0 or values.size != len(values):
        return table(key, values)
    table(key, values)  # for its refusals: an empty one, too many axes
    flat = values.reshape(-1)
    bad = np.flatnonzero((flat < 0) | (flat >= MAX_ACTIONS))
    if len(bad):
        raise ExchangeError(f"{key} is {flat[bad[0]]} at row {bad[0]}; an action index is 0 to {MAX_ACTIONS - 1}")
    return flat.astype(np.int64)


MAX_ACTIONS = 4096
"""Each discrete action gets a name and a network output, so a wild index must not decide how many there are."""


def same_rows(arrays: Mapping[str, NDArray]) -> None:
    """Raise ExchangeError unless all arrays have as many rows as the first one."""
    (first, rows), *others = ((key, len(values)) for key, values in arrays.items())
    for key, count in others:
        if count != rows:
            raise ExchangeError(f"{key} has {count} rows, {first} has {rows}")


def one_more(key: str, count: int, rows: int) -> None:
    """Raise ExchangeError unless `count` observations frame `rows` actions: n + 1 of them, the last one included."""
    if count != rows + 1:
        raise ExchangeError(f"{key} has {count} rows for {rows} actions; {rows + 1} are needed, the last one included")


def _refuse_kind(key: str, values: NDArray, kinds: str) -> None:
    if values.dtype.kind not in kinds:
        raise ExchangeError(f"{key} has values of type {values.dtype}, not numbers")
    if values.ndim == 0:
        raise ExchangeError(f"{key} is a single value, not a row for each step")
