"""The crew of `core.turns.walk` for many runs of the GridWorld side by side: one pass learns for all of them."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.behaviour import make_behaviour
from turn_rl_ros.core.exploration import BehaviourConfig
from turn_rl_ros.core.memory import Memory
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.task.grid import Grid
from turn_rl_ros.core.turns import Score, Session
from turn_rl_ros.learn.tabular import Outcomes, outcomes, q_iteration
from turn_rl_ros.study.grid_session import Index, Rows, Table

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Method:
    """What differs between the curves and between the levers of the ablation."""

    name: str
    turns: int
    behaviour: BehaviourConfig = field(default_factory=BehaviourConfig)
    discount: float = 0.95
    sweeps: int = 300
    alpha: float = 0.0
    spread: float = 0.0
    """Q before learning is uniform in +-spread, weight plus bias of a linear network; a pair that the data does not
    show keeps it. 0: such a pair is worth the least attainable return, here 0."""
    members: int = 1
    """Trainings of a turn that differ in that first Q."""
    deploy: str = "first"
    """Which of them is delivered, as `learn.selection` names the rules."""
    session_steps: int = 0
    """Steps of an episode of a session; 0: as many as the task's, in which policies are scored."""
    guarded: bool = True
    """Whether the guard stands between policy and gantry, see `grid_session.Table`."""
    remember: bool = True
    """Whether a policy carries what the sessions have tried, for the search."""


class TablePolicy:
    """A policy for every cell, with what is known of the moves."""

    def __init__(self, action: Index, columns: int, memory: Memory | None) -> None:
        self._action, self._columns, self.memory = list(action), columns, memory

    def act(self, observation: NDArray[np.float32]) -> NDArray[np.int64]:
        """The action of the cell."""
        row, column = observation.tolist()
        return self._action[int(row) * self._columns + int(column)]


class GridCrew:
    """`walk`'s crew for the runs `seeds`; every session takes as many control periods."""

    def __init__(self, spec: TaskSpec, method: Method, seeds: range) -> None:
        self.table, self.task, self.method, self.seeds = Table(spec, method.guarded), Grid(spec), method, seeds
        self._steps = method.session_steps or spec.episode_steps
        self.sessions: list[list[Rows]] = []
        """Of each turn, one a run."""
        self.policies: list[Index] = []
        """Of each training, (runs, states)."""
        self.returns: dict[int, Array] = {}
        """Of each evaluated policy, (runs,)."""
        self.offers: dict[int, Array] = {}
        """Returns of what the members of each training would do, (members, runs)."""

    def recorded(self, turn: int) -> Session:
        """Robot time of the turn, and transitions of a run in the mean, rounded down."""
        if turn >= len(self.sessions):
            return Session(0.0, 0)
        rows = sum(len(one.state) for one in self.sessions[turn]) // len(self.seeds)
        return Session(self._ticks * self.table.spec.period_s, rows)

    def run_session(self, turn: int, window_s: float) -> None:
        """One session of every run."""
        self._ticks = round(window_s * self.table.spec.rate_hz)
        self.sessions.append([self._session(index, turn) for index in range(len(self.seeds))])

    def has_policy(self, turn: int) -> bool:
        """Whether the training before `turn` took place; 0 is random."""
        return 0 < turn <= len(self.policies)

    def train(self, turn: int) -> float:
        """Learn for all runs in one pass, and deploy; no time is measured."""
        first = np.stack([self._first(seed, turn) for seed in self.seeds], axis=1)
        seen = self._outcomes()
        q = q_iteration(
            seen,
            first.reshape(self.method.members, -1, self.table.actions),
            self.method.discount,
            self.method.sweeps,
            self.method.alpha,
        )
        self.policies.append(self._deploy(seen, q, turn))
        return 0.0

    def evaluate(self, turn: int) -> Score:
        """One episode a run: a grid without slip gives the same one every time."""
        if turn == 0:
            self.returns[0] = np.array([self._random_return(seed) for seed in self.seeds])
        else:
            self.returns[turn] = self.table.returns(self.policies[turn - 1])
        # An episode earns from the first visit of R on, so that most end there.
        return Score(float((self.returns[turn] > 0).mean()), float(self.returns[turn].mean()))

    def rows(self, index: int) -> Rows:
        """Everything that one run has recorded."""
        return Rows.of([turn[index] for turn in self.sessions])

    def session_visits(self, turn: int) -> Array:
        """Mean share of a turn's transitions in each (row, column, action)."""
        rows = Rows.of(self.sessions[turn])
        return self.table.shares(rows.state, rows.action)

    def policy_visits(self, turn: int) -> Array:
        """The same of an episode by the policies that act in `turn`."""
        return self.table.shares(*self.table.episodes(self.policies[turn - 1])[:2])

    def _session(self, index: int, turn: int) -> Rows:
        policy = None
        if turn:
            memory = self._memory(index) if self.method.remember else None
            policy = TablePolicy(self.policies[turn - 1][index], self.table.shape[1], memory)
        rng = np.random.default_rng([self.seeds[index], turn, turn])
        return self.table.session(
            make_behaviour(self.task, self.method.behaviour, policy, rng), self._ticks, self._steps
        )

    def _memory(self, index: int) -> Memory:
        rows, table = self.rows(index), self.table
        return Memory.tally(table.shape, table.actions, rows.state, rows.action, rows.next_state, table.rewards(rows))

    def _outcomes(self) -> Outcomes:
        """What all runs have recorded, as one problem of disjoint parts."""
        states, runs = self.table.states, [self.rows(index) for index in range(len(self.seeds))]
        part = np.repeat(np.arange(len(runs)) * states, [len(rows.state) for rows in runs])
        rows = Rows.of(runs)
        reward = self.table.rewards(rows)
        return outcomes(
            rows.state + part,
            rows.action,
            reward,
            rows.next_state + part,
            np.zeros(len(part)),
            states * len(runs),
            self.table.actions,
        )

    def _first(self, seed: int, turn: int) -> Array:
        """Q before learning of one run, (members, states, actions)."""
        shape = (self.method.members, self.table.states, self.table.actions)
        if not self.method.spread:
            return np.zeros(shape)
        rng = np.random.default_rng([seed, turn, 0xF1257])
        weight = rng.uniform(-self.method.spread, self.method.spread, shape)
        return weight + rng.uniform(-self.method.spread, self.method.spread, (shape[0], 1, shape[2]))

    def _deploy(self, seen: Outcomes, q: Array, turn: int) -> Index:
        """(members, runs * states, actions) -> (runs, states)."""
        runs, states = len(self.seeds), self.table.states
        choices = q.argmax(-1)
        members = choices.reshape(-1, runs, states)
        self.offers[turn] = self.table.returns(members)
        if self.method.deploy == "average":
            return q.mean(0).argmax(-1).reshape(runs, states)
        if self.method.deploy == "robot":
            best = self.offers[turn].argmax(0)
        elif self.method.deploy == "estimate":
            value = q_iteration(seen, np.zeros(q.shape), self.method.discount, self.method.sweeps, policy=choices)
            start = np.arange(runs) * states + self.table.start
            best = np.take_along_axis(value[:, start], choices[:, start, None], -1)[..., 0].argmax(0)
        else:
            best = np.zeros(runs, int)
        return members[best, np.arange(runs)]

    def _random_return(self, seed: int) -> float:
        rng = np.random.default_rng([seed, 0x2A4D])
        behaviour = make_behaviour(self.task, self.method.behaviour, None, rng)
        rows = self.table.session(behaviour, self.table.spec.episode_steps, self.table.spec.episode_steps)
        return float((rows.next_state == self.table.reward).sum())
