"""One step of experience, and the raw state behind it."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]


@dataclass(frozen=True)
class Transition:
    """(observation, executed action, reward, next observation) with the raw state it was computed from.

    `action` is what the joints were told after the guard, in the task's action space: (n,) float32, or () int64 for
    discrete tasks. `terminated` means the task ended (no bootstrap); `truncated` means only the clock or a cut ended
    the episode. Field names of the raw state are those of the `infos/` group of a session file.
    """

    observation: Vector
    action: NDArray
    reward: float
    next_observation: Vector
    terminated: bool
    truncated: bool
    joint_position: NDArray[np.float64]
    joint_velocity: NDArray[np.float64]
    next_joint_position: NDArray[np.float64]
    next_joint_velocity: NDArray[np.float64]
    goal: NDArray[np.float64]
    stamp_ns: int
    """Stamp of the state that the action answered."""
    next_stamp_ns: int
    episode: int
    step: int
    """Index of this transition in its episode, from 0."""
    behaviour: int
    """What chose the action: an index into `core.behaviour.BEHAVIOURS`."""
    intervention: int = 0
    """Bit set of `core.guard.Cause`: why the guard changed the command; 0 when it did not."""
    command: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    """(n_joints,) what was sent to the controller, in the unit of the command interface."""
