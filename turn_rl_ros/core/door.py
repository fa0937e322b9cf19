"""The one door from the package to the simulator, for studies and evaluations that run in process."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from turn_rl_ros.core.config import param
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


@dataclass(frozen=True)
class Disturbance:
    """How a simulated PyBullet arm differs from the one that its URDF describes; by default not at all.

    Its joints are velocity motors without gravity: mass, damping and torque show in the effort, and in the motion only
    where a motor is at its limit (with 0.7 of its torque the Panda's joint 2 takes two periods of 50 ms to 2 rad/s, not
    one). What differs between simulators and arms: Peng et al. 2018, Sim-to-real transfer with dynamics randomization.
    """

    velocity_gain: float = param(1.0, "joint velocity that comes of a commanded one, as a share", low=0.1, high=10.0)
    latency_steps: int = param(0, "control periods by which commands come late", unit="steps", low=0, high=100)
    torque_scale: float = param(1.0, "share of the URDF's joint torques that the motors have", low=0.01, high=100.0)
    mass_scale: float = param(1.0, "mass and inertia of each link as a share of the URDF's", low=0.01, high=100.0)
    joint_damping: float = param(0.0, "viscous friction of each joint", unit="N m s/rad", low=0.0, high=1e3)


def make_env(spec: TaskSpec, seed: int = 0, disturbance: Disturbance | None = None) -> "ArmEnv | GymnasiumEnv":
    """Make the simulated environment of a spec.

    Raises:
        TurnRlError: its simulator cannot be imported, or has nothing that `disturbance` could change.
    """
    from sim import make_env as make

    return make(spec, seed, disturbance)


def gymnasium_facts(id: str) -> GymnasiumFacts:
    """Ask Gymnasium for an environment's spaces. Raises ConfigError when it has none of that name."""
    from sim.gymnasium_env import facts_of

    return facts_of(id)
