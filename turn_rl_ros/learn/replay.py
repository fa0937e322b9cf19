"""Batches from all sessions, with goals relabelled in hindsight (Andrychowicz et al. 2017)."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from turn_rl_ros.core.spec import Box
from turn_rl_ros.core.task import Task
from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.learn.config import TrainerConfig

CHUNK = 64
"""Batches that are drawn together, so that relabelling costs one vectorised call for all of them."""
NEW_GOALS = 512
"""New goals of the task that such a draw chooses from."""


class Batch(NamedTuple):
    """Transitions as tensors, float32."""

    observation: Tensor
    """(batch, observation.size)"""
    action: Tensor
    """(batch, action.size) in [-1, 1], or (batch,) int64 for discrete tasks."""
    reward: Tensor
    """(batch,)"""
    next_observation: Tensor
    """(batch, observation.size)"""
    terminal: Tensor
    """(batch,) 1 where the task ended, else 0; a time-out is 0."""


class Replay:
    """Draws relabelled batches. Forward kinematics run once, here; a batch then costs indexing and a subtraction."""

    def __init__(self, data: Dataset, task: Task, config: TrainerConfig, rng: np.random.Generator) -> None:
        self._data, self._task, self._config, self._rng = data, task, config, rng
        self._last = last_rows(data)
        self._achieved = task.achieved_goal(data.next_joint_position)
        self._actions = scaled_actions(data)
        self._shows_goal = shows_goal(data, task)

    def batches(self) -> Iterator[Batch]:
        """Batches without end."""
        size = self._config.batch_size
        while True:
            chunk = self.draw(CHUNK * size)
            for start in range(0, CHUNK * size, size):
                yield Batch(*(part[start : start + size] for part in chunk))

    def draw(self, size: int) -> Batch:
        """`size` transitions, uniform with replacement; the configured shares of them with another goal.

        Where observations do not show the goal, another goal would make one observation mean two things: none is given.
        """
        data, task = self._data, self._task
        rows = self._rng.integers(len(data), size=size)
        if not self._shows_goal:
            terminal, reward = data.terminals[rows], data.rewards[rows]
            return _batch(data.observations[rows], self._actions[rows], reward, data.next_observations[rows], terminal)
        goal = self._goals(rows)
        return _batch(
            task.with_goal(data.observations[rows], goal),
            self._actions[rows],
            task.reward_at(self._achieved[rows], goal),
            task.with_goal(data.next_observations[rows], goal),
            task.terminated(data.next_joint_position[rows], goal),
        )

    def _goals(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Each row's own goal, one that its episode reached at this step or later, or a new one; (rows, goal_size)."""
        rng, config = self._rng, self._config
        goal, choice = self._data.goal[rows], rng.random(len(rows))
        hindsight = np.flatnonzero(choice < config.hindsight_share)
        goal[hindsight] = self._achieved[rng.integers(rows[hindsight], self._last[rows[hindsight]] + 1)]
        new = np.flatnonzero(choice >= max(1.0 - config.resample_share, config.hindsight_share))
        pool = np.array([self._task.sample_goal(rng) for _ in range(NEW_GOALS)])
        goal[new] = pool[rng.integers(NEW_GOALS, size=len(new))]
        return goal


def last_rows(data: Dataset) -> NDArray[np.int64]:
    """For each row the index of the last row of its episode, (rows,)."""
    starts, stops = data.episode_bounds()
    return np.repeat(stops - 1, stops - starts)


def scaled_actions(data: Dataset) -> NDArray:
    """Box actions scaled from their bounds to [-1, 1], (rows, action.size) float32; indices as int64 (rows,)."""
    action = data.spec.action
    if not isinstance(action, Box):
        return data.actions.astype(np.int64)
    low, high = np.array(action.low), np.array(action.high)
    return ((2.0 * data.actions - high - low) / (high - low)).clip(-1.0, 1.0).astype(np.float32)


def shows_goal(data: Dataset, task: Task) -> bool:
    """Whether another goal changes an observation of this task."""
    seen = data.observations[:1]
    return bool((task.with_goal(seen, data.goal[:1] + 1.0) != task.with_goal(seen, data.goal[:1])).any())


def _batch(*parts: NDArray) -> Batch:
    single = (part if part.dtype == np.int64 else part.astype(np.float32, copy=False) for part in parts)
    return Batch(*(torch.from_numpy(np.ascontiguousarray(part)) for part in single))
