"""What the sessions so far have tried in a grid; it travels with the policy, for the search of the next session."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.errors import PolicyRejected

UNKNOWN = -1
"""Where a move leads that nobody has made."""
NAMES = ("tried", "leads_to", "earned")


@dataclass(frozen=True)
class Memory:
    """Arrays (states, actions) float32; a state is the cell's index, row by row."""

    sizes: tuple[int, ...]
    """Cells along each element of the observation."""
    tried: NDArray[np.float32]
    """How often each move was made."""
    leads_to: NDArray[np.float32]
    """The state that it led to the last time, or UNKNOWN."""
    earned: NDArray[np.float32]
    """Reward of that time; 0 for what was not tried."""

    @classmethod
    def tally(
        cls,
        sizes: tuple[int, ...],
        actions: int,
        state: NDArray[np.int64],
        action: NDArray[np.int64],
        next_state: NDArray[np.int64],
        reward: NDArray,
    ) -> "Memory":
        """Count transitions (n,), in the order in which they happened."""
        shape = (int(np.prod(sizes)), actions)
        tried, leads_to, earned = np.zeros(shape, np.float32), np.full(shape, UNKNOWN, np.float32), np.zeros(shape)
        np.add.at(tried, (state, action), 1.0)
        leads_to[state, action] = next_state  # of several the last one stays
        earned[state, action] = reward
        return cls(sizes, tried, leads_to, earned.astype(np.float32))

    @classmethod
    def read(cls, weights: Mapping[str, NDArray[np.float32]], sizes: tuple[int, ...], actions: int) -> "Memory | None":
        """From a policy's arrays; None without any. Raises PolicyRejected."""
        if not any(name in weights for name in NAMES):
            return None
        shape = (int(np.prod(sizes)), actions)
        for name in NAMES:
            if name not in weights or weights[name].shape != shape:
                raise PolicyRejected(f"{name} is missing or has not the shape {shape}")
        memory = cls(sizes, *(weights[name] for name in NAMES))
        known = memory.leads_to
        if not ((known >= UNKNOWN) & (known < shape[0]) & (known == np.rint(known))).all():
            raise PolicyRejected(f"leads_to has an entry that is no state of 0 to {shape[0] - 1} and not {UNKNOWN}")
        return memory

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """As the policy's artifact holds them."""
        return {name: getattr(self, name) for name in NAMES}

    def paying(self) -> list[tuple[int, ...]]:
        """The cells that the best paid moves led to; none while all pay the same."""
        tried = self.tried > 0
        if not tried.any() or np.ptp(self.earned[tried]) == 0:
            return []
        best = tried & (self.leads_to >= 0) & (self.earned == self.earned[tried].max())
        return [
            tuple(int(part) for part in np.unravel_index(int(at), self.sizes)) for at in np.unique(self.leads_to[best])
        ]
