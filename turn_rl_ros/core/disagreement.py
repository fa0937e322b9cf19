"""How far a policy is from what was done: the one definition behind shadow mode, its files and its figures."""

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.spec import Box, TaskSpec


def disagreement(spec: TaskSpec, policy: NDArray, recorded: NDArray) -> NDArray[np.float64]:
    """Distance of the policy's actions from the recorded ones, as a share of each action's range.

    Args:
        spec: whose action space it is.
        policy: (..., action.size), or (...) indices where actions are discrete.
        recorded: the same shape; what the joints were told after the guard.

    Returns:
        (..., action.size): 0 is the same action, 1 the other end of the range; discrete: (..., 1), 0 same, 1 other.
    """
    if not isinstance(spec.action, Box):
        return (np.asarray(policy) != np.asarray(recorded)).astype(np.float64)[..., np.newaxis]
    low, high = np.array(spec.action.low), np.array(spec.action.high)
    return np.abs(np.asarray(policy, dtype=np.float64) - np.asarray(recorded, dtype=np.float64)) / (high - low)


def action_names(spec: TaskSpec) -> tuple[str, ...]:
    """What each entry of a disagreement is about."""
    return spec.action.names if isinstance(spec.action, Box) else ("move",)
