"""The grid world as a machine: a gantry with the joints `row` and `column` that moves a tool from cell to cell."""

import numpy as np

from sim.arm import Array
from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.task.grid import CELL_M, MOVES, Grid

DIRECTIONS = len(MOVES) - 1
"""Up, down, left, right: the moves that a slip chooses from; MOVES[0] is stay."""


class Gantry:
    """Two position-controlled joints over the grid; a joint is at CELL_M times its row or column.

    A command to another cell moves one cell towards it, along the longer way; a wall or the edge stops the tool where
    it is. With probability `slip` a move goes in a random direction instead; holding still never slips. A command to
    the start cell from more than one cell away lifts the tool over the walls and arrives within the step: this is how
    an episode of the study begins again.
    """

    interfaces: tuple[str, ...] = ("position",)

    def __init__(self, spec: TaskSpec, seed: int = 0) -> None:
        self.joint_names = spec.joint_names
        self._task = Grid(spec)
        self.home = self._task.home
        self.reset(seed=seed)

    def reset(self, joint_position: Array | None = None, seed: int | None = None) -> None:
        """At the cell of `joint_position` (2,) metres, or at the start. `seed` restarts the slips."""
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        cell = Grid.cell(self.home if joint_position is None else np.asarray(joint_position))
        if not self._free(cell):
            raise TurnRlError(f"the gantry cannot stand at row {cell[0]} column {cell[1]}: a wall or outside the world")
        self._cell = cell

    def step(self, command: Array, interface: str, period_s: float) -> None:
        """Move towards the cell at `command` (2,) metres; the tool is at rest again when the period is over."""
        if interface != "position":
            raise TurnRlError(f"the gantry takes position commands, not {interface!r}")
        start = np.array(self._task.world.start)
        if np.array_equal(Grid.cell(command), start) and np.abs(start - self._cell).sum() > 1:
            self._cell = start
            return
        move = int(self._task.executed_action(command, self._position()))
        if move != 0 and self._rng.random() < self._task.slip:
            move = 1 + int(self._rng.integers(DIRECTIONS))
        target = self._cell + MOVES[move]
        if self._free(target):
            self._cell = target

    def state(self) -> tuple[Array, Array, Array]:
        """Joint position, velocity (at rest) and effort (none), (2,) each."""
        return self._position(), np.zeros(2), np.zeros(2)

    def homing_s(self, speed: float) -> float:
        """No time: over the walls, within one step."""
        return 0.0

    def close(self) -> None:
        """Nothing to free."""

    def _position(self) -> Array:
        return np.asarray(self._cell * CELL_M, dtype=np.float64)

    def _free(self, cell: np.ndarray) -> bool:
        free = self._task.world.free
        return bool((cell >= 0).all() and (cell < free.shape).all() and free[tuple(cell)])
