"""Batches from all sessions, with goals relabelled in hindsight (Andrychowicz et al. 2017)."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from turn_rl_ros.core.spec import Box, TaskSpec
from turn_rl_ros.core.task import Task
from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.data.hindsight import shows_goal
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.inputs import Inputs

CHUNK = 64
"""Batches that are drawn together, so that relabelling costs one vectorised call for all of them."""
NEW_GOALS = 512
"""New goals of the task that such a draw chooses from."""


class Batch(NamedTuple):
    """Transitions as tensors, ready for the networks; every array leads with (seeds, batch)."""

    observation: Tensor
    """(seeds, batch, inputs) float32 normalised, or (seeds, batch) int64 for a one-hot input."""
    action: Tensor
    """(seeds, batch, action.size) float32 in [-1, 1], or (seeds, batch) int64 for discrete tasks."""
    reward: Tensor
    """(seeds, batch) float32."""
    next_observation: Tensor
    """As `observation`."""
    terminal: Tensor
    """(seeds, batch) float32, 1 where the task ended, else 0; a time-out is 0."""


class Rows(NamedTuple):
    """Transitions as the dataset has them, after relabelling; (rows, ...)."""

    observation: NDArray[np.float32]
    action: NDArray
    reward: NDArray[np.float32]
    next_observation: NDArray[np.float32]
    terminal: NDArray[np.float32]


class Replay:
    """Draws relabelled rows. Forward kinematics run once, here; a batch then costs indexing and a subtraction."""

    def __init__(self, data: Dataset, task: Task, config: TrainerConfig) -> None:
        self._data, self._task, self._config = data, task, config
        self._last = last_rows(data)
        self._actions = scaled_actions(data)
        self._shows_goal = shows_goal(data, task)
        self._achieved = task.achieved_goal(data.next_joint_position) if self._shows_goal else data.goal

    def draw(self, size: int, rng: np.random.Generator) -> Rows:
        """`size` transitions, uniform with replacement; the configured shares of them with another goal."""
        return self.relabelled(rng.integers(len(self._data), size=size), rng)

    def relabelled(self, rows: NDArray[np.int64], rng: np.random.Generator) -> Rows:
        """The transitions of these indices (n,), the configured shares of them with another goal.

        Where observations do not show the goal, another goal would make one observation mean two things: none is given.
        """
        data, task = self._data, self._task
        action = self._actions[rows]
        if not self._shows_goal:
            terminal = data.terminals[rows].astype(np.float32)
            return Rows(data.observations[rows], action, data.rewards[rows], data.next_observations[rows], terminal)
        goal = self._goals(rows, rng)
        return Rows(
            _single(task.with_goal(data.observations[rows], goal)),
            action,
            _single(task.reward_at(self._achieved[rows], goal)),
            _single(task.with_goal(data.next_observations[rows], goal)),
            _single(task.terminated(data.next_joint_position[rows], goal)),
        )

    def _goals(self, rows: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
        """Each row's own goal, one that its episode reached at this step or later, or a new one; (rows, goal_size)."""
        config = self._config
        goal, choice = self._data.goal[rows], rng.random(len(rows))
        hindsight = np.flatnonzero(choice < config.hindsight_share)
        goal[hindsight] = self._achieved[rng.integers(rows[hindsight], self._last[rows[hindsight]] + 1)]
        new = np.flatnonzero(choice >= max(1.0 - config.resample_share, config.hindsight_share))
        if len(new):
            pool = np.array([self._task.sample_goal(rng) for _ in range(NEW_GOALS)])
            goal[new] = pool[rng.integers(NEW_GOALS, size=len(new))]
        return goal


class Stream:
    """Batches without end for several seeds, each seed from a generator of its own."""

    def __init__(self, replay: Replay, inputs: Inputs, batch_size: int, seeds: Sequence[int]) -> None:
        self._replay, self._inputs, self._size = replay, inputs, batch_size
        self._rngs = [np.random.default_rng(seed) for seed in seeds]
        self._chunk: Batch | None = None
        self._at = CHUNK

    def next(self) -> Batch:
        """The next batch of every seed."""
        if self._at == CHUNK:
            self._chunk, self._at = self._draw(), 0
        assert self._chunk is not None
        start = self._at * self._size
        self._at += 1
        return Batch(*(part[:, start : start + self._size] for part in self._chunk))

    def state(self) -> list[Mapping[str, Any]]:
        """What the batches from here on depend on. Raises RuntimeError in the middle of a chunk."""
        if self._at != CHUNK:
            raise RuntimeError(f"the stream can be left only after a multiple of {CHUNK} batches")
        return [rng.bit_generator.state for rng in self._rngs]

    def restore(self, state: Sequence[Mapping[str, Any]]) -> None:
        """Go on from where `state` was taken."""
        for rng, one in zip(self._rngs, state, strict=True):
            rng.bit_generator.state = one
        self._at = CHUNK

    def _draw(self) -> Batch:
        drawn = [self._replay.draw(CHUNK * self._size, rng) for rng in self._rngs]
        rows = Rows(*(np.stack(parts) if len(parts) > 1 else parts[0][None] for parts in zip(*drawn, strict=True)))
        action, reward, terminal = (torch.from_numpy(part) for part in (rows.action, rows.reward, rows.terminal))
        return Batch(self._inputs(rows.observation), action, reward, self._inputs(rows.next_observation), terminal)


def last_rows(data: Dataset) -> NDArray[np.int64]:
    """For each row the index of the last row of its episode, (rows,)."""
    starts, stops = data.episode_bounds()
    return np.repeat(stops - 1, stops - starts)


def scaled_actions(data: Dataset) -> NDArray:
    """Box actions scaled from their bounds to [-1, 1], (rows, action.size) float32; indices as int64 (rows,)."""
    return scale_actions(data.actions, data.spec)


def scale_actions(actions: NDArray, spec: TaskSpec) -> NDArray:
    """Actions in the units of the task as `scaled_actions` gives them, (..., action.size) or indices (...)."""
    action = spec.action
    if not isinstance(action, Box):
        return actions.astype(np.int64)
    low, high = np.array(action.low), np.array(action.high)
    return ((2.0 * actions - high - low) / (high - low)).clip(-1.0, 1.0).astype(np.float32)


def _single(values: NDArray) -> NDArray[np.float32]:
    return values.astype(np.float32, copy=False)
