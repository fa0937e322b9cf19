"""The other side of the wire: simulated arms, their Gymnasium environment, and the arm node.

Imports `turn_rl_ros.core`, never the other way round, save the one door `turn_rl_ros.core.door.make_env`.
"""

from typing import TYPE_CHECKING

from sim.arm import SimArm
from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.spec import TaskSpec

if TYPE_CHECKING:
    from sim.env import ArmEnv

__all__ = ["SimArm", "make_arm", "make_env"]


def make_arm(spec: TaskSpec, seed: int = 0) -> SimArm:
    """Make the simulated arm of a spec, at home: the NumPy gantry for gridworld, the PyBullet Panda for reach.

    Raises TurnRlError when PyBullet is needed and cannot be imported, or when the spec is for another arm.
    """
    if spec.task == "gridworld":
        from sim.gantry import Gantry

        return Gantry(spec, seed)
    try:
        from sim.panda import PyBulletArm
    except ImportError as error:
        raise TurnRlError(
            f"the task {spec.task!r} needs PyBullet, which cannot be imported ({error}); "
            "pip install pybullet, or set task.kind to gridworld, which needs NumPy only"
        ) from error
    return PyBulletArm(spec)


def make_env(spec: TaskSpec, seed: int = 0) -> "ArmEnv":
    """Make the Gymnasium environment of a spec: its simulated arm and its task. Raises as `make_arm` does."""
    from sim.env import ArmEnv

    return ArmEnv(spec, make_arm(spec, seed), seed)
