"""What the executor asks of the joints at one tick, and what the guard made of it."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.errors import TurnRlError

NO_EPISODE = -1
"""Episode of a decision that is no part of an episode: a hold."""
PROBE_NS = -1
"""Stamp of a decision that answers no state and moves nothing: it shows that whoever records hears the guard."""
LAYOUT = "sec,nanosec,episode,step,behaviour,intervention,goal_x,goal_y,goal_z,command..."
"""A decision as numbers, on topics and in bags; a float64 cannot hold a stamp in ns, so it takes two."""
_HEAD = 9
"""Numbers before the command."""


@dataclass(frozen=True)
class Decision:
    """One command, stamped with the joint state that it answers.

    From the executor it is a proposal; from the guard, with `command` replaced by what was sent to the controller and
    `intervention` set where that differs, it is the record of what was executed.
    """

    stamp_ns: int
    episode: int
    step: int
    behaviour: int
    """Index into `core.behaviour.BEHAVIOURS`."""
    goal: NDArray[np.float64]
    """(3,) metres, the goal that the action was chosen for."""
    command: NDArray[np.float64]
    """(n_joints,) in the unit of the command interface."""
    intervention: int = 0
    """Bit set of `core.guard.Cause`."""

    @classmethod
    def probe(cls, joints: int) -> "Decision":
        """What the guard says between windows; see `PROBE_NS`."""
        return cls(PROBE_NS, NO_EPISODE, 0, 0, np.zeros(3), np.zeros(joints))

    def executed(self, command: NDArray[np.float64], intervention: int) -> "Decision":
        """The decision as the guard passed it on."""
        return replace(self, command=command, intervention=int(intervention))

    def to_numbers(self) -> list[float]:
        """The decision laid out as `LAYOUT` says."""
        head = (*divmod(self.stamp_ns, 1_000_000_000), self.episode, self.step, self.behaviour, self.intervention)
        return [*head, *self.goal, *self.command]

    @classmethod
    def from_numbers(cls, values: NDArray[np.float64]) -> "Decision":
        """Inverse of `to_numbers`, (9 + n_joints,). Raises TurnRlError: too short, or the head is not finite."""
        if len(values) < _HEAD:
            raise TurnRlError(f"a decision has at least {_HEAD} values, this message has {len(values)}")
        if not np.isfinite(values[:_HEAD]).all():
            raise TurnRlError(f"the first {_HEAD} values of a decision must be finite, not {values[:_HEAD].tolist()}")
        sec, nanosec, episode, step, behaviour, intervention = map(int, values[:6].tolist())
        return cls(
            stamp_ns=sec * 1_000_000_000 + nanosec,
            episode=episode,
            step=step,
            behaviour=behaviour,
            goal=values[6:_HEAD],
            command=values[_HEAD:],
            intervention=intervention,
        )
