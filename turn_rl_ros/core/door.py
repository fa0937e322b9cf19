"""The one door from the package to the simulator, for studies and evaluations that run in process."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from turn_rl_ros.core.spec import Box, Discrete, TaskSpec

if TYPE_CHECKING:
    from sim.env import ArmEnv
    from sim.gymnasium_env import GymnasiumEnv


@dataclass(frozen=True)
class GymnasiumFacts:
    """What a task spec needs to know of a Gymnasium environment."""

    observation: Box
    action: Box | Discrete
    rate_hz: float
    episode_steps: int


def make_env(spec: TaskSpec, seed: int = 0) -> "ArmEnv | GymnasiumEnv":
    """Make the simulated environment of a spec. Raises TurnRlError when its simulator cannot be imported."""
    from sim import make_env as make

    return make(spec, seed)


def gymnasium_facts(id: str) -> GymnasiumFacts:
    """Ask Gymnasium for an environment's spaces. Raises ConfigError when it has none of that name."""
    from sim.gymnasium_env import facts_of

    return facts_of(id)
