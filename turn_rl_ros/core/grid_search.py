"""How a grid is explored: random moves, and a search for what was never tried. NumPy only."""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.exploration import BehaviourConfig
from turn_rl_ros.core.memory import UNKNOWN
from turn_rl_ros.core.policy import Policy
from turn_rl_ros.core.task import Task
from turn_rl_ros.core.task.grid import MOVES, Grid

PAYS, NEW, UNTRIED = -2, -1, 0
"""Ranks of an untried move: in a cell that pays, towards a cell never visited, any; a tried one ranks by how often."""

FUTILE = 10**9
"""Rank of a move beyond the edge: the guard would make it a stay."""

Cell = tuple[int, ...]

OUTSIDE: Cell = ()


@dataclass
class Known:
    """What has been tried in each cell, and where it led; cells are numbered as they turn up."""

    moves: int
    number: dict[Cell, int]
    cells: list[Cell]
    tried: list[list[int]]
    leads_to: list[list[int]]

    @classmethod
    def of(cls, policy: Policy | None, moves: int) -> "Known":
        """What a policy's artifact says of the sessions before; nothing without one."""
        known = cls(moves, {}, [], [], [])
        memory = getattr(policy, "memory", None)
        if memory is not None:
            visited = memory.tried.any(axis=-1) | np.isin(np.arange(len(memory.tried)), memory.leads_to)
            for cell in zip(*np.unravel_index(np.flatnonzero(visited), memory.sizes), strict=True):
                known.find(tuple(int(part) for part in cell))
            order = np.full(len(memory.tried) + 1, UNKNOWN)
            order[:-1][visited] = np.arange(visited.sum())
            known.tried = memory.tried[visited].astype(int).tolist()
            known.leads_to = order[memory.leads_to[visited].astype(int)].tolist()
        return known

    def find(self, cell: Cell) -> int:
        """The number of a cell, a new one for a new cell."""
        if cell not in self.number:
            self.number[cell] = len(self.cells)
            self.cells.append(cell)
            self.tried.append([0] * self.moves)
            self.leads_to.append([UNKNOWN] * self.moves)
        return self.number[cell]


class GridExplorer:
    """Goes, by moves that it has seen work, to the nearest move that ranks first, and makes it.

    First what was never tried in the cell that pays best (is there a way to stay?), then what aims at a cell never
    visited, then what was never tried, then what was tried least. A robot knows where its own move aims; what stands in
    the way it finds out: the map is not an input. What is known is what this session has shown, and what the policy's
    artifact says of the sessions before. Other episodes follow the policy with some random moves.
    """

    def __init__(self, task: Task, config: BehaviourConfig, rng: np.random.Generator, policy: Policy | None) -> None:
        self._config, self._rng = config, rng
        self._known = Known.of(policy, task.spec.action.size)
        self._foresight = config.foresight and isinstance(task, Grid)
        self._high = task.spec.observation.high
        self._aimed: dict[int, list[Cell]] = {}
        memory = getattr(policy, "memory", None)
        self._pays = {self._known.find(cell) for cell in memory.paying()} if memory is not None else set()
        self._last: tuple[int, int] | None = None
        self._plan: deque[tuple[int, int]] = deque()
        self._walk, self._least = 0, PAYS
        self._searching = True

    def begin(self) -> None:
        """Back at the start: the last move leads nowhere, and the plan is void. Draw whether to search."""
        self._searching = self._rng.random() < self._config.search_share
        self._last = None
        self._plan.clear()
        self._walk, self._least = 0, PAYS

    def random(self, observation: NDArray[np.float32]) -> NDArray[np.int64]:
        """The last move again, or any."""
        if self._last is not None and self._rng.random() < self._config.stickiness:
            return np.array(self._last[1])
        return np.array(self._rng.integers(self._known.moves))

    def explore(self, observation: NDArray[np.float32], policy: Policy) -> NDArray[np.int64]:
        """The next move of the plan, of a new plan, or of the walk after one; or the policy's, mostly."""
        if not self._searching:
            chance = self._rng.random() < self._config.epsilon
            return np.array(self._rng.integers(self._known.moves)) if chance else policy.act(observation)
        here = self._here(observation)
        if self._plan and self._plan[0][0] != here:  # slipped off the way
            self._plan.clear()
        if not self._plan and self._walk == 0:
            self._plan = self._way(here)
            self._walk = self._config.walk_steps
        if self._plan:
            return np.array(self._plan.popleft()[1])
        self._walk -= 1
        return self.random(observation)

    def remember(self, observation: NDArray[np.float32], action: NDArray) -> None:
        """Count the move, and learn where the one before led."""
        here, move = self._here(observation), int(action)
        if self._last is not None:
            self._known.leads_to[self._last[0]][self._last[1]] = here
        self._known.tried[here][move] += 1
        self._last = (here, move)

    def _here(self, observation: NDArray[np.float32]) -> int:
        known = len(self._known.cells)
        here = self._known.find(tuple(map(round, observation.tolist())))
        if here == known:
            self._least = PAYS
        return here

    def _way(self, here: int) -> deque[tuple[int, int]]:
        """(cell, move) pairs: a shortest known way to a move that ranks first of all within reach, and that move."""
        came: dict[int, tuple[int, int]] = {}
        queue, at, best = [here], here, min(self._ranks(here))
        for cell in queue:  # grows as it goes
            rank = min(self._ranks(cell))
            if rank < best:
                at, best = cell, rank
            if best <= self._least:
                break
            for move, following in enumerate(self._known.leads_to[cell]):
                if following != UNKNOWN and following != here and following not in came:
                    came[following] = (cell, move)
                    queue.append(following)
        self._least = best  # until a new cell is found nothing ranks before it
        straight = came[at][1] if at != here else self._last[1] if self._last is not None else None
        first = [move for move, rank in enumerate(self._ranks(at)) if rank == best]
        way = deque([(at, straight if straight in first else first[int(self._rng.integers(len(first)))])])
        while at != here:
            way.appendleft(came[at])
            at = came[at][0]
        return way

    def _ranks(self, cell: int) -> list[int]:
        """The rank of each move of a cell."""
        tried = self._known.tried[cell]
        if all(tried):
            return tried
        pays, number = cell in self._pays, self._known.number
        if not self._foresight:
            return [n or (PAYS if pays else UNTRIED) for n in tried]
        fresh = [PAYS if pays else UNTRIED if to in number else NEW for to in self._aims(cell)]
        return [n or (FUTILE if to == OUTSIDE else f) for n, f, to in zip(tried, fresh, self._aims(cell), strict=True)]

    def _aims(self, cell: int) -> list[Cell]:
        """The cell that each move aims at, worked out once; beyond the edge OUTSIDE."""
        if cell not in self._aimed:
            here = self._known.cells[cell]
            targets = [tuple(at + step for at, step in zip(here, move, strict=True)) for move in MOVES.tolist()]
            self._aimed[cell] = [to if self._inside(to) else OUTSIDE for to in targets]
        return self._aimed[cell]

    def _inside(self, cell: Cell) -> bool:
        return all(0 <= at <= high for at, high in zip(cell, self._high, strict=True))
