"""Batches from all sessions, with goals relabelled in hindsight (Andrychowicz et al. 2017)."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from turn_rl_ros.core.spec import Box
from turn_rl_ros.core.task import Task
from turn_rl_ros.learn.config import TrainerConfig

CHUNK = 64
"""Batches that are drawn together, so that relabelling costs one vectorised call for all of them."""


class Batch(NamedTuple):
    """observation (batch, n), action (batch, m) in [-1, 1] or (batch,) int64, reward (batch,), next_observation (batch, n),
    terminal (batch,) 0 or 1."""

    observation: Tensor
    action: Tensor
    reward: Tensor
    next_observation: Tensor
    terminal: Tensor


class Replay:
    """Draws relabelled batches. Forward kinematics run once here; a batch then costs indexing and one subtraction."""

    def __init__(self, data, task: Task, config: TrainerConfig, rng: np.random.Generator) -> None:
        self._data, self._task, self._config, self._rng = data, task, config, rng
        self._end = episode_ends(data)
        self._achieved = task.achieved_goal(data.next_joint_position)
        action = task.spec.action
        self._actions = data.actions
        if isinstance(action, Box):
            low, high = np.array(action.low), np.array(action.high)
            self._actions = ((data.actions - (high + low) / 2) / ((high - low) / 2)).clip(-1, 1).astype(np.float32)

    def batches(self) -> Iterator[Batch]:
        """Batches without end."""
        size = self._config.batch_size
        while True:
            chunk = self.draw(CHUNK * size)
            for start in range(0, CHUNK * size, size):
                yield Batch(*(part[start : start + size] for part in chunk))

    def draw(self, size: int) -> Batch:
        """`size` transitions, uniform with replacement; the configured shares of them with another goal."""
        data, task, rng = self._data, self._task, self._rng
        rows = rng.integers(len(data.rewards), size=size)
        goal = data.goal[rows].copy()
        choice = rng.random(size)
        hindsight = np.flatnonzero(choice < self._config.hindsight_share)
        goal[hindsight] = self._achieved[rng.integers(rows[hindsight], self._end[rows[hindsight]] + 1)]
        resample = np.flatnonzero(choice >= 1.0 - self._config.resample_share)
        goal[resample] = np.array([task.sample_goal(rng) for _ in range(512)])[rng.integers(512, size=len(resample))]
        achieved = self._achieved[rows]
        parts = (
            task.with_goal(data.observations[rows], goal),
            self._actions[rows],
            task.reward_at(achieved, goal).astype(np.float32),
            task.with_goal(data.next_observations[rows], goal),
            data.terminals[rows].astype(np.float32),
        )
        return Batch(*(torch.from_numpy(part) for part in parts))


def episode_ends(data) -> NDArray[np.int64]:
    """For each row the index of the last row of its episode, (rows,)."""
    last = data.terminals.astype(bool) | data.timeouts.astype(bool)
    last[:-1] |= data.step[1:] <= data.step[:-1]
    last[-1] = True
    ends = np.flatnonzero(last)
    return ends[np.searchsorted(ends, np.arange(len(last)))]
