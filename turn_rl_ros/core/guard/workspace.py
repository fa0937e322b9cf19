"""Workspace limits: where the end effector may be, how fast it may move, and where no part of the arm may come."""

import math

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.guard.config import NO_FLOOR, GuardConfig
from turn_rl_ros.core.guard.limits import SLACK
from turn_rl_ros.core.obstacle import line_weights, obstacle_of
from turn_rl_ros.core.robot import KinematicChain
from turn_rl_ros.core.spec import TaskSpec

Array = NDArray[np.float64]


class Workspace:
    """Judges paths of joint positions by forward kinematics; what lies between two points of a path is not seen.

    An arm that is outside already may move, but no further out. An obstacle of the task is kept clear of, always.
    """

    def __init__(self, spec: TaskSpec, config: GuardConfig, chain: KinematicChain) -> None:
        self._chain = chain
        self._low = np.array(_corner("box_low", config.box_low, -math.inf))
        self._high = np.array(_corner("box_high", config.box_high, math.inf))
        if not (self._low < self._high).all():
            raise ConfigError(f"guard: box_low {config.box_low} must lie below box_high {config.box_high}, x y z")
        self._floor = config.min_height
        self._obstacle, self._line = obstacle_of(spec), line_weights(chain)
        self._way = (config.max_tip_speed or math.inf) * spec.period_s

    def judge(self, path: Array) -> NDArray[np.bool_]:
        """Whether each path stays inside, and whether it stays slow enough: (2, m).

        Args:
            path: (m, points, n_joints), a control period from point to point; the first is where the arm is.
        """
        places = self._chain.places(path)
        tip, heights = places[..., -1, :], places[..., 2]
        low, high = np.minimum(self._low, tip[:, :1]), np.maximum(self._high, tip[:, :1])
        inside = ((tip >= low - SLACK) & (tip <= high + SLACK)).all(axis=(1, 2))
        inside &= (heights >= np.minimum(self._floor, heights[:, :1]) - SLACK).all(axis=(1, 2))
        if self._obstacle is not None:
            gaps = self._obstacle.gap(self._line @ places).min(axis=-1)
            inside &= (gaps >= np.minimum(0.0, gaps[:, :1]) - SLACK).all(axis=1)
        way = np.linalg.norm(np.diff(tip, axis=1), axis=-1)
        return np.array([inside, (way <= self._way + SLACK).all(axis=1)])


def make_workspace(spec: TaskSpec, config: GuardConfig) -> Workspace | None:
    """The workspace limits; None when none is configured. Raises ConfigError for an arm without a kinematic chain."""
    limited = config.box_low or config.box_high or config.max_tip_speed or config.min_height != NO_FLOOR
    if not limited and "obstacle" not in spec.details:
        return None
    if "chain" not in spec.details:
        raise ConfigError(
            f"guard: box_low, box_high, min_height and max_tip_speed need a kinematic chain, "
            f"and the task {spec.task!r} has none"
        )
    return Workspace(spec, config, KinematicChain.from_details(spec.details["chain"], spec.joint_names))


def _corner(name: str, given: tuple[float, ...], absent: float) -> tuple[float, ...]:
    if given and len(given) != 3:
        raise ConfigError(f"guard: {name} has {len(given)} values; it takes x y z, or none")
    return given or (absent,) * 3
