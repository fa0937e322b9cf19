"""GridWorld worked out exactly: where the optimal and the random policy go in one episode, and what they earn."""

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.task.grid import MOVES, Grid

Array = NDArray[np.float64]


def transition_model(task: Grid) -> Array:
    """P(next state | state, action), (n_states, n_actions, n_states); a state is row * columns + column.

    A wall or the edge stops a move; a move slips, with probability `slip`, to one of the four directions evenly.
    """
    free = task.world.free
    rows, columns = free.shape
    row, column = np.divmod(np.arange(free.size), columns)
    sure = np.zeros((free.size, len(MOVES), free.size))
    for action, (down, right) in enumerate(MOVES):
        r, c = np.clip(row + down, 0, rows - 1), np.clip(column + right, 0, columns - 1)
        target = np.where(free[r, c], r * columns + c, np.arange(free.size))
        sure[np.arange(free.size), action, target] = 1.0
    slipped = sure[:, 1:].mean(axis=1, keepdims=True)
    model = (1 - task.slip) * sure + task.slip * slipped
    model[:, 0] = sure[:, 0]
    return model


def optimal_policy(task: Grid) -> Array:
    """Finite-horizon optimum by backward induction, (steps, n_states, n_actions); equally good actions share evenly."""
    model, steps = transition_model(task), task.spec.episode_steps
    value, earned = np.zeros(len(model)), _reward(task)
    policy = np.zeros((steps, *model.shape[:2]))
    for step in reversed(range(steps)):
        action_value = model @ (earned + value)
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
    model = transition_model(task)
    outcome = model.reshape(-1, len(model))
    here = np.zeros(len(model))
    here[np.ravel_multi_index(task.world.start, task.world.free.shape)] = 1.0
    total = np.zeros(model.shape[:2])
    for choice in policy:
        pairs = here[:, None] * choice
        total += pairs
        here = pairs.ravel() @ outcome
    return (total / len(policy)).reshape(*task.world.free.shape, -1)


def expected_return(task: Grid, policy: Array) -> float:
    """Expected return of an episode: the reward of every step that ends on R."""
    steps = visits(task, policy).reshape(-1) * len(policy)
    model = transition_model(task)
    return float(steps @ model.reshape(-1, len(model)) @ _reward(task))


def _reward(task: Grid) -> Array:
    earned = np.zeros(task.world.free.size)
    earned[np.ravel_multi_index(task.world.reward, task.world.free.shape)] = 1.0
    return earned
