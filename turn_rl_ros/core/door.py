"""The one door from the package to the simulator, for studies and evaluations that run in process."""

from typing import TYPE_CHECKING

from turn_rl_ros.core.spec import TaskSpec

if TYPE_CHECKING:
    from sim.env import ArmEnv


def make_env(spec: TaskSpec, seed: int = 0) -> "ArmEnv":
    """Make the simulated environment of a spec. Raises TurnRlError when its simulator cannot be imported."""
    from sim import make_env as make

    return make(spec, seed)
