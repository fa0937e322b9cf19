"""Any Gymnasium environment as a task, for studies in process: no joints, no goal, the environment's own reward."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core import door
from turn_rl_ros.core.config import param
from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.task.base import Array
from turn_rl_ros.core.task.recorded import Recorded, spec_without_robot

KIND = "gymnasium"


@dataclass(frozen=True)
class GymnasiumConfig:
    """Parameters of a Gymnasium task, `task.*`."""

    kind: str = param(KIND, "which task", choices=(KIND,))
    id: str = param("Pendulum-v1", "the environment, as gymnasium.make has it")
    reward_scale: float = param(1.0, "rewards are recorded times this", low=1e-6, high=1e6)
    rate_hz: float = param(
        0.0, "control rate; 0: the environment's own time step, else its frame rate", unit="Hz", low=0.0, high=1e4
    )


class Gymnasium(Recorded):
    """As a recorded task: the environment alone knows reward and end, and what is recorded is the only truth."""

    def sample_goal(self, rng: np.random.Generator) -> Array:
        """None, (0,)."""
        return np.zeros(0)

    def observe(self, joint_position: Array, joint_velocity: Array, goal: Array) -> NDArray[np.float32]:
        """Raise ConfigError: only the environment can say."""
        raise self._no_robot()

    def _no_robot(self) -> ConfigError:
        return ConfigError(
            f"{self.spec.robot} is a Gymnasium environment: it has no joints, so nodes and guard cannot run it; "
            "turn-rl study suite --env ID can"
        )


def gymnasium_spec(config: GymnasiumConfig) -> TaskSpec:
    """The spec of an environment. Raises ConfigError when there is none, or its spaces are not vectors or choices."""
    facts = door.gymnasium_facts(config.id)
    rate_hz = config.rate_hz or facts.rate_hz
    details = {"reward_scale": config.reward_scale}
    return spec_without_robot(KIND, config.id, facts.observation, facts.action, rate_hz, facts.episode_steps, details)
