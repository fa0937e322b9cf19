"""GridWorld: the grid of a turn-based offline-RL study, seen as a two-joint gantry whose joints are row and column."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.config import param
from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.spec import Box, Discrete, TaskSpec
from turn_rl_ros.core.task.base import Array

CELL_M = 0.1
"""Side of a cell in metres: joint position = CELL_M * (row, column)."""

MOVES = np.array([(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)])
"""(row, column) step of the actions stay, up, down, left, right."""

ACTION_NAMES = ("stay", "up", "down", "left", "right")


@dataclass(frozen=True)
class GridConfig:
    """Parameters of the GridWorld task, `task.*` in a scenario file."""

    kind: str = param("gridworld", "which task", choices=("reach", "gridworld"))
    world: str = param("turn_based_20x20", "a world that ships with sim/worlds, or the path of a world file")
    slip: float = param(0.0, "probability that a move goes in a random direction instead", low=0.0, high=1.0)
    rate_hz: float = param(20.0, "control rate", unit="Hz", low=0.1, high=1000.0)
    episode_steps: int = param(269, "steps in an episode", unit="steps", low=1, high=100000)


@dataclass(frozen=True)
class World:
    """A grid: `free` (rows, columns) bool, `start` and `reward` cells as (row, column)."""

    free: NDArray[np.bool_]
    start: tuple[int, int]
    reward: tuple[int, int]


def read_world(text: str, where: str) -> World:
    """Parse a world: O free, # wall, S start, R reward, one line a row. Raises ConfigError with line and column."""
    rows = [line.strip() for line in text.splitlines() if line.strip()]
    cells: dict[str, list[tuple[int, int]]] = {"S": [], "R": []}
    for r, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise ConfigError(f"{where}: row {r} has {len(row)} cells, row 0 has {len(rows[0])}")
        for c, cell in enumerate(row):
            if cell not in "O#SR":
                raise ConfigError(
                    f"{where}: row {r} column {c} is {cell!r}; use O (free), # (wall), S (start), R (reward)"
                )
            if cell in cells:
                cells[cell].append((r, c))
    for name, found in cells.items():
        if len(found) != 1:
            raise ConfigError(f"{where}: a world has one {name}, this one has {len(found)}")
    free = np.array([[cell != "#" for cell in row] for row in rows])
    return World(free, cells["S"][0], cells["R"][0])


class Grid:
    """The GridWorld task. Observation: (row, column). Reward 1 for each step that ends in R; no terminal state."""

    def __init__(self, spec: TaskSpec) -> None:
        self.spec = spec
        self.world = read_world("\n".join(spec.details["world"]), "task spec")
        self.slip = float(spec.details["slip"])
        self.home = np.array(self.world.start) * CELL_M
        self._goal = np.array([*self.world.reward, 0]) * CELL_M

    @staticmethod
    def cell(joint_position: Array) -> NDArray[np.int64]:
        """Nearest (row, column), (..., 2)."""
        return np.rint(np.asarray(joint_position) / CELL_M).astype(np.int64)

    def sample_goal(self, rng: np.random.Generator) -> Array:
        """The reward cell, (3,) metres; always the same."""
        return self._goal.copy()

    def observe(self, joint_position: Array, joint_velocity: Array, goal: Array) -> NDArray[np.float32]:
        """(row, column), (..., 2)."""
        return self.cell(joint_position).astype(np.float32)

    def achieved_goal(self, joint_position: Array) -> Array:
        """Position of the cell with z = 0, (..., 3) metres."""
        place = self.cell(joint_position) * CELL_M
        return np.concatenate([place, np.zeros((*place.shape[:-1], 1))], axis=-1)

    def distance(self, joint_position: Array, goal: Array) -> Array:
        """Manhattan distance, walls ignored, (...) metres."""
        return np.abs(self.achieved_goal(joint_position) - goal).sum(axis=-1)

    def reward(self, next_joint_position: Array, goal: Array) -> Array:
        """1 in the goal's cell, else 0."""
        return self.reward_at(self.achieved_goal(next_joint_position), goal)

    def with_goal(self, observation: NDArray[np.float32], goal: Array) -> NDArray[np.float32]:
        """The goal is not seen."""
        return observation

    def reward_at(self, achieved_goal: Array, goal: Array) -> Array:
        """1 in the goal's cell, else 0."""
        return (np.abs(achieved_goal - goal).sum(axis=-1) < CELL_M / 2).astype(np.float64)

    def terminated(self, next_joint_position: Array, goal: Array) -> NDArray[np.bool_]:
        """Never."""
        return np.zeros(np.shape(next_joint_position)[:-1], dtype=bool)

    def success(self, joint_position: Array, goal: Array) -> NDArray[np.bool_]:
        """In the goal's cell."""
        return self.distance(joint_position, goal) < CELL_M / 2

    def command(self, action: NDArray, joint_position: Array) -> Array:
        """Target joint position of the neighbouring cell, (2,) metres."""
        return (self.cell(joint_position) + MOVES[int(action)]) * CELL_M

    def executed_action(self, command: Array, joint_position: Array) -> NDArray:
        """Index of the move nearest to what was commanded, () int64; ties and long ways count as their longer axis."""
        delta = np.asarray(command) / CELL_M - self.cell(joint_position)
        if np.abs(delta).max() < 0.5:
            return np.array(0, dtype=np.int64)
        return np.array(np.argmax(MOVES @ delta), dtype=np.int64)


def grid_spec(config: GridConfig) -> TaskSpec:
    """The spec of a GridWorld task. Raises ConfigError when the world cannot be read."""
    text = _world_text(config.world)
    world = read_world(text, f"task.world = {config.world!r}")
    rows, columns = world.free.shape
    high = ((rows - 1) * CELL_M, (columns - 1) * CELL_M)
    return TaskSpec(
        task="gridworld",
        robot="gantry",
        joint_names=("row", "column"),
        joint_low=(0.0, 0.0),
        joint_high=high,
        joint_velocity=(CELL_M * config.rate_hz,) * 2,
        joint_units=("m", "m"),
        command_interface="position",
        observation=Box(("row", "column"), ("cell", "cell"), (0.0, 0.0), (rows - 1.0, columns - 1.0)),
        action=Discrete(ACTION_NAMES),
        rate_hz=config.rate_hz,
        episode_steps=config.episode_steps,
        details={"world": [line.strip() for line in text.splitlines() if line.strip()], "slip": config.slip},
    )


def _world_text(name: str) -> str:
    path = Path(name) if name.endswith(".txt") else Path(__file__).parents[3] / "sim" / "worlds" / f"{name}.txt"
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"task.world = {name!r}: cannot read {path} ({error.strerror})") from error
