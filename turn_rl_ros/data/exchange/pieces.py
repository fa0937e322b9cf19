"""Episodes that a file keeps one by one, gathered into rows."""

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.data.exchange.checks import ExchangeError, one_more, same_rows
from turn_rl_ros.data.exchange.experience import Experience, Origin, join

Columns = dict[str, NDArray]


def in_order(names: Iterable[str], prefix: str) -> list[str]:
    """Those names that are `prefix` and a number, by that number. Raises ExchangeError when there are none."""
    numbered = {int(found[1]): name for name in names if (found := re.fullmatch(rf"{prefix}(\d{{1,9}})", name))}
    if not numbered:
        raise ExchangeError(f"there is no episode: nothing is named {prefix}0")
    return [numbered[number] for number in sorted(numbered)]


class Pieces:
    """Gathers episodes; all must have observations and actions of one size."""

    def __init__(self) -> None:
        self._episodes: list[Columns] = []

    def framed(
        self,
        name: str,
        observations: NDArray[np.float32],
        actions: NDArray,
        rewards: NDArray[np.float32],
        terminations: NDArray[np.bool_],
        truncations: NDArray[np.bool_],
    ) -> None:
        """Add an episode of n steps with n + 1 observations, whose last step alone may end it. Raises ExchangeError."""
        one_more(f"{name}/observations", len(observations), len(actions))
        for key, flags in (("terminations", terminations), ("truncations", truncations)):
            if (early := np.flatnonzero(flags[:-1])).size:
                raise ExchangeError(f"{name}/{key} is true at row {early[0]} of {len(flags)}, before the last one")
        self.add(name, observations[:-1], actions, rewards, terminations, truncations, observations[1:])

    def add(
        self,
        name: str,
        observations: NDArray[np.float32],
        actions: NDArray,
        rewards: NDArray[np.float32],
        terminals: NDArray[np.bool_],
        timeouts: NDArray[np.bool_],
        next_observations: NDArray[np.float32] | None = None,
    ) -> None:
        """Add an episode of n rows; its last row ends it, terminal or not. Raises ExchangeError."""
        columns: Columns = {"observations": observations, "actions": actions, "rewards": rewards}
        columns |= {"terminals": terminals, "timeouts": timeouts | (np.arange(len(timeouts)) == len(timeouts) - 1)}
        columns["timeouts"] &= ~terminals
        if next_observations is not None:
            columns["next_observations"] = next_observations
        same_rows({f"{name}/{key}": values for key, values in columns.items()})
        first = self._episodes[0] if self._episodes else columns
        for key, values in columns.items():
            if key not in first or values.shape[1:] != first[key].shape[1:]:
                raise ExchangeError(f"{name}/{key} has shape {values.shape}, which does not fit the first episode's")
        self._episodes.append(columns)

    def join(self, origin: Origin, notes: Iterable[str] = ()) -> Experience:
        """All episodes as rows. Raises ExchangeError."""
        if not self._episodes:
            raise ExchangeError("there is no episode")
        keys = self._episodes[0]
        if short := next((n for n, one in enumerate(self._episodes) if len(one) != len(keys)), 0):
            raise ExchangeError(f"episode {short} has no next observations, the first one has")
        columns: dict[str, Any] = {key: np.concatenate([one[key] for one in self._episodes]) for key in keys}
        return join(**columns, origin=origin, notes=notes)
