"""GridWorld worked out exactly: where the optimal and the random policy go in one episode, and what they earn."""

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.task.grid import MOVES, Grid

Array = NDArray[np.float64]


def targets(task: Grid) -> NDArray[np.int64]:
    """Where a move that does not slip ends, (n_states, n_actions); a state is row * columns + column.

    A wall or the edge stops a move.
    """
    free = task.world.free
    rows, columns = free.shape
    state = np.arange(free.size)
    r, c = (np.stack(np.divmod(state, columns))[..., None] + MOVES.T[:, None]).clip(0, [[[rows - 1]], [[columns - 1]]])
    return np.where(free[r, c], r * columns + c, state[:, None])


def expected_next(task: Grid, ends: NDArray[np.int64], values: Array) -> Array:
    """Mean of `values` (n_states, ...) over where each action leads, (n_states, n_actions, ...).

    A move slips, with probability `slip`, to one of the four directions evenly; staying does not.
    """
    sure = values[ends]
    mean = (1 - task.slip) * sure + task.slip * sure[:, 1:].mean(axis=1, keepdims=True)
    mean[:, 0] = sure[:, 0]
    return mean


def optimal_policy(task: Grid) -> Array:
    """Finite-horizon optimum by backward induction, (steps, n_states, n_actions); equally good actions share evenly."""
    ends, steps = targets(task), task.spec.episode_steps
    value, earned = np.zeros(len(ends)), _reward(task)
    policy = np.zeros((steps, *ends.shape))
    for step in reversed(range(steps)):
        action_value = expected_next(task, ends, earned + value)
        value = action_value.max(axis=1)
        best = action_value >= value[:, None] - 1e-9
        policy[step] = best / best.sum(axis=1, keepdims=True)
    return policy


def random_policy(task: Grid) -> Array:
    """Every action alike, (steps, n_states, n_actions)."""
    shape = (task.spec.episode_steps, task.world.free.size, len(MOVES))
    return np.broadcast_to(1.0 / len(MOVES), shape)


def visits(task: Grid, policy: Array) -> Array:
    """Expected share of an episode's steps in each (row, column, action), from the start cell on."""
    ends = targets(task)
    here: Array = np.zeros(len(ends))
    here[np.ravel_multi_index(task.world.start, task.world.free.shape)] = 1.0
    total = np.zeros(ends.shape)
    for choice in policy:
        pairs = here[:, None] * choice
        total += pairs
        slipped = task.slip * pairs[:, 1:].sum(axis=1, keepdims=True) / (len(MOVES) - 1)
        pairs[:, 1:] = (1 - task.slip) * pairs[:, 1:] + slipped
        here = np.bincount(ends.ravel(), pairs.ravel(), len(here)).astype(np.float64)
    return (total / len(policy)).reshape(*task.world.free.shape, -1)


def expected_return(task: Grid, policy: Array) -> float:
    """Expected return of an episode: the reward of every step that ends on R."""
    steps = visits(task, policy).reshape(-1, len(MOVES)) * len(policy)
    return float((steps * expected_next(task, targets(task), _reward(task))).sum())


def _reward(task: Grid) -> Array:
    earned = np.zeros(task.world.free.size)
    earned[np.ravel_multi_index(task.world.reward, task.world.free.shape)] = 1.0
    return earned
