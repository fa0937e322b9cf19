"""The GridWorld without slip as a table: sessions and episodes of hundreds of runs in seconds.

What acts is `core.behaviour`, as in any session; only the gantry, the pilot and the assembler are short-circuited.
`tests/study/test_grid_session.py` holds that the transitions are those of `core.rollout.run_session`.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.behaviour import Behaviour
from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.task.grid import MOVES, Grid

Index = NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """Transitions of one run in order, (n,) each; a state is row * columns + column."""

    state: Index
    action: Index
    next_state: Index
    behaviour: Index
    """What chose the action, an index into `core.behaviour.BEHAVIOURS`."""

    @classmethod
    def of(cls, parts: "list[Rows]") -> "Rows":
        """Several sessions, one after the other."""
        names = ("state", "action", "next_state", "behaviour")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


class Table:
    """Where each move leads in a GridWorld. Raises ConfigError for a world that slips: it is no table."""

    def __init__(self, spec: TaskSpec, guarded: bool = True) -> None:
        """With a guard a move beyond the edge is recorded as what was executed: staying."""
        task = Grid(spec)
        if task.slip:
            raise ConfigError(f"the study walks a grid without slip, task.slip is {task.slip}")
        self.spec, free = spec, task.world.free
        self.shape = free.shape
        self.states, self.actions = free.size, len(MOVES)
        self.start, self.reward = (
            int(np.ravel_multi_index(c, self.shape)) for c in (task.world.start, task.world.reward)
        )
        cells = np.stack(np.unravel_index(np.arange(self.states), self.shape), axis=-1)
        aimed = cells[:, None] + MOVES
        target = aimed.clip(0, np.array(self.shape) - 1)
        outside = guarded & (aimed != target).any(axis=-1)
        self.executed: Index = np.where(outside, 0, np.arange(self.actions))
        index = np.ravel_multi_index((target[..., 0], target[..., 1]), self.shape)
        self.leads_to: Index = np.where(free[target[..., 0], target[..., 1]], index, np.arange(self.states)[:, None])
        self.observations = cells.astype(np.float32)

    @cached_property
    def _lists(self) -> tuple[list[list[int]], list[list[int]], list[NDArray[np.float32]]]:
        return self.leads_to.tolist(), self.executed.tolist(), list(self.observations)

    def session(self, behaviour: Behaviour, ticks: int, episode_steps: int) -> Rows:
        """`ticks` control periods from the start cell; one of them takes the gantry home after each whole episode."""
        leads_to, executed, observations = self._lists
        rows: list[tuple[int, int, int, int]] = []
        here, step, episode = self.start, 0, 0
        for _ in range(ticks):
            if step == episode_steps:
                step = 0
                if here != self.start:
                    here = self.start
                    continue
            if step == 0:
                behaviour.begin(episode)
                episode += 1
            action, mode = behaviour.act(observations[here])
            move = int(action)
            following = leads_to[here][move]
            rows.append((here, executed[here][move], following, mode))
            here, step = following, step + 1
        return Rows(*np.array(rows, dtype=np.int64).reshape(-1, 4).T)

    def rewards(self, rows: Rows) -> NDArray[np.float64]:
        """1 for each step that ends on R, else 0; (n,)."""
        return (rows.next_state == self.reward).astype(np.float64)

    def returns(self, policy: Index) -> NDArray[np.float64]:
        """Return of one episode of each policy (..., states): the reward of every step that ends on R; (...)."""
        return (self.episodes(policy)[2] == self.reward).sum(axis=0).astype(np.float64)

    def episodes(self, policy: Index) -> tuple[Index, Index, Index]:
        """States, actions and next states of one episode of each policy (..., states), (steps, ...) each."""
        here, taken = np.full(policy.shape[:-1], self.start), []
        for _ in range(self.spec.episode_steps):
            action = np.take_along_axis(policy, here[..., None], -1)[..., 0]
            taken.append((here, action, self.leads_to[here, action]))
            here = taken[-1][2]
        state, action, following = (np.stack(part) for part in zip(*taken, strict=True))
        return state, action, following

    def shares(self, state: Index, action: Index) -> NDArray[np.float64]:
        """Share of the pairs in each (row, column, action)."""
        counts = np.bincount((state * self.actions + action).ravel(), minlength=self.states * self.actions)
        return (counts / max(1, counts.sum())).reshape(*self.shape, self.actions)
