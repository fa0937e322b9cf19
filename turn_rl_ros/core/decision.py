"""What the executor asks of the joints at one tick, and what the guard made of it."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

NO_EPISODE = -1
"""Episode of a decision that is no part of an episode: a hold."""


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

    def executed(self, command: NDArray[np.float64], intervention: int) -> "Decision":
        """The decision as the guard passed it on."""
        return replace(self, command=command, intervention=int(intervention))
