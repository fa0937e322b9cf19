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
    """(seeds, batch) float32, the share of the next observation's value that does not count: see `Replay.batch`."""


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
        self._last, self._until = last_rows(data), unbroken(data)
        self._actions = scaled_actions(data)
        self._shows_goal = shows_goal(data, task)
        self._achieved = task.achieved_goal(data.next_joint_position) if self._shows_goal else data.goal

    def draw(self, size: int, rng: np.random.Generator) -> Rows:
        """`size` transitions, uniform with replacement; the configured shares of them with another goal."""
        return self.relabelled(rng.integers(len(self._data), size=size), rng)

    def batch(self, size: int, rng: np.random.Generator) -> Rows:
        """As `draw`, each transition and the `n_step` - 1 that follow it as one long one: n-step returns.

        The reward is `r_0 + g r_1 + ... + g^(k-1) r_(k-1)` of the row's goal, the next observation that after k steps;
        k is `n_step`, less where the episode ends or a step is missing. `terminal` is 1 where the task ended, else
        `1 - g^(k-1)`: so every algorithm's one-step target, `reward + g (1 - terminal) V`, is the n-step one.

        Uncorrected, as in Rainbow (Hessel et al. 2018): the k - 1 later actions are those of the data, not those of the
        policy (nor aimed at a goal in hindsight), which biases values towards what the data does. Peng and Williams
        1996 have the general form, Fedus et al. 2020 what it is good for. Entropy counts at the last step alone.
        """
        return self.relabelled(rng.integers(len(self._data), size=size), rng, self._config.n_step)

    def relabelled(self, rows: NDArray[np.int64], rng: np.random.Generator, steps: int = 1) -> Rows:
        """The transitions of these indices (n,), the configured shares of them with another goal.

        `steps` are taken together, as `batch` says.
        Where observations do not show the goal, another goal would make one observation mean two things: none is given.
        """
        data = self._data
        goal = self._goals(rows, rng) if self._shows_goal else data.goal[rows]
        reward, terminal, last = self._along(rows, goal, steps)
        seen, after = data.observations[rows], data.next_observations[last]
        if self._shows_goal:
            seen, after = self._task.with_goal(seen, goal), self._task.with_goal(after, goal)
        return Rows(_single(seen), self._actions[rows], _single(reward), _single(after), _single(terminal))

    def _along(
        self, rows: NDArray[np.int64], goal: NDArray[np.float64], steps: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
        """Discounted rewards, `terminal` and last row of up to `steps` steps from each row, (rows,) each."""
        last, weight = rows.copy(), np.ones(len(rows))
        reward, ended = self._outcome(rows, goal)
        for _ in range(1, steps):
            on = np.flatnonzero(~ended & (last < self._until[rows]))
            last[on] += 1
            weight[on] *= self._config.discount
            gained, ended[on] = self._outcome(last[on], goal[on])
            reward[on] += weight[on] * gained
        return reward, 1.0 - weight * ~ended, last

    def _outcome(
        self, rows: NDArray[np.int64], goal: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Reward of each row and whether the task ended there, (rows,) each, for these goals."""
        if not self._shows_goal:
            return self._data.rewards[rows].astype(np.float64), self._data.terminals[rows]
        reward = np.asarray(self._task.reward_at(self._achieved[rows], goal), dtype=np.float64)
        return reward, self._task.terminated(self._data.next_joint_position[rows], goal)

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
        drawn = [self._replay.batch(CHUNK * self._size, rng) for rng in self._rngs]
        rows = Rows(*(np.stack(parts) if len(parts) > 1 else parts[0][None] for parts in zip(*drawn, strict=True)))
        action, reward, terminal = (torch.from_numpy(part) for part in (rows.action, rows.reward, rows.terminal))
        return Batch(self._inputs(rows.observation), action, reward, self._inputs(rows.next_observation), terminal)


def last_rows(data: Dataset) -> NDArray[np.int64]:
    """For each row the index of the last row of its episode, (rows,)."""
    starts, stops = data.episode_bounds()
    return np.repeat(stops - 1, stops - starts)


def unbroken(data: Dataset) -> NDArray[np.int64]:
    """For each row the index of the last row that follows it without a gap, (rows,); a missing step is a time-out."""
    ends = np.flatnonzero(data.terminals | data.timeouts | (np.arange(len(data)) == last_rows(data)))
    return ends[np.searchsorted(ends, np.arange(len(data)))]


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
