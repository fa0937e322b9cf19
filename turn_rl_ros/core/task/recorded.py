"""Recorded: transitions that came from somewhere else, with no robot, no goal and no reward formula behind them.

One can learn from such data and score what was learnt; nothing can be commanded, simulated or relabelled.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.config import param
from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.spec import Box, Discrete, TaskSpec
from turn_rl_ros.core.task.base import Array

KIND = "recorded"


@dataclass(frozen=True)
class RecordedConfig:
    """Parameters of a recorded task, `task.*`: what is known about data that others made."""

    kind: str = param(KIND, "which task", choices=(KIND,))
    robot: str = param("unknown", "what the data came from")
    observation_names: tuple[str, ...] = param(("observation_0",), "elements of an observation")
    observation_units: tuple[str, ...] = param(("unknown",), "unit of each")
    observation_low: tuple[float, ...] = param((-1.0,), "smallest value of each")
    observation_high: tuple[float, ...] = param((1.0,), "largest value of each")
    discrete: bool = param(False, "actions are indices of action_names; units and bounds of actions then mean nothing")
    action_names: tuple[str, ...] = param(("action_0",), "elements of an action, or the actions to choose from")
    action_units: tuple[str, ...] = param(("unknown",), "unit of each")
    action_low: tuple[float, ...] = param((-1.0,), "smallest value of each")
    action_high: tuple[float, ...] = param((1.0,), "largest value of each")
    rate_hz: float = param(20.0, "control rate", unit="Hz", low=0.1, high=1000.0)
    episode_steps: int = param(1000, "steps in the longest episode", unit="steps", low=1, high=2**31 - 1)


class Recorded:
    """The task of imported data. States are what the observations say; joint positions and goals are empty, (..., 0).

    What nobody can know is NaN (reward, distance) or never so (success, terminated): the recorded `rewards` and
    `terminals` are the only truth.
    """

    def __init__(self, spec: TaskSpec) -> None:
        self.spec = spec
        self.home = np.zeros(0)

    def sample_goal(self, rng: np.random.Generator) -> Array:
        """Raise ConfigError: this is where running such a task on an arm ends."""
        raise self._no_robot()

    def observe(self, joint_position: Array, joint_velocity: Array, goal: Array) -> NDArray[np.float32]:
        """Raise ConfigError: there are no joints to observe."""
        raise self._no_robot()

    def achieved_goal(self, joint_position: Array) -> Array:
        """Nothing, (..., 0)."""
        return np.zeros((*np.shape(joint_position)[:-1], 0))

    def distance(self, joint_position: Array, goal: Array) -> Array:
        """NaN."""
        return np.full(np.shape(joint_position)[:-1], np.nan)

    def reward(self, next_joint_position: Array, goal: Array) -> Array:
        """NaN: there is no formula."""
        return np.full(np.shape(next_joint_position)[:-1], np.nan)

    def with_goal(self, observation: NDArray[np.float32], goal: Array) -> NDArray[np.float32]:
        """The goal is not seen."""
        return observation

    def reward_at(self, achieved_goal: Array, goal: Array) -> Array:
        """NaN: there is no formula."""
        return np.full(np.shape(achieved_goal)[:-1], np.nan)

    def terminated(self, next_joint_position: Array, goal: Array) -> NDArray[np.bool_]:
        """Never."""
        return np.zeros(np.shape(next_joint_position)[:-1], dtype=bool)

    def success(self, joint_position: Array, goal: Array) -> NDArray[np.bool_]:
        """Never."""
        return np.zeros(np.shape(joint_position)[:-1], dtype=bool)

    def command(self, action: NDArray, joint_position: Array) -> Array:
        """Raise ConfigError: there is no robot."""
        raise self._no_robot()

    def executed_action(self, command: Array, joint_position: Array) -> NDArray:
        """Raise ConfigError: there is no robot."""
        raise self._no_robot()

    def _no_robot(self) -> ConfigError:
        return ConfigError(f"the task of {self.spec.robot} is imported data: it has no robot, so it cannot be run")


def recorded_spec(config: RecordedConfig) -> TaskSpec:
    """The spec of a recorded task. Raises ConfigError when names, units and bounds do not fit each other."""
    observation = Box(
        config.observation_names, config.observation_units, config.observation_low, config.observation_high
    )
    _check("observation", observation)
    action: Box | Discrete = Discrete(config.action_names)
    if not config.discrete:
        action = Box(config.action_names, config.action_units, config.action_low, config.action_high)
        _check("action", action)
    return spec_without_robot(KIND, config.robot, observation, action, config.rate_hz, config.episode_steps)


def spec_without_robot(
    kind: str,
    name: str,
    observation: Box,
    action: Box | Discrete,
    rate_hz: float,
    episode_steps: int,
    details: Mapping[str, Any] = MappingProxyType({}),
) -> TaskSpec:
    """The spec of a task that has observations and actions, and no joint."""
    return TaskSpec(
        task=kind,
        robot=name,
        joint_names=(),
        joint_low=(),
        joint_high=(),
        joint_velocity=(),
        joint_units=(),
        command_interface="none",
        observation=observation,
        action=action,
        rate_hz=rate_hz,
        episode_steps=episode_steps,
        details=dict(details),
    )


def _check(what: str, box: Box) -> None:
    lengths = {len(box.names), len(box.units), len(box.low), len(box.high)}
    if len(lengths) != 1 or not box.size:
        raise ConfigError(f"task.{what}_names, _units, _low and _high must be equally long and not empty")
    for name, low, high in zip(box.names, box.low, box.high, strict=True):
        if not low < high:
            raise ConfigError(f"task.{what}_low of {name} is {low}; it must lie below its high, {high}")
