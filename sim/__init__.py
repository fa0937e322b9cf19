"""The other side of the wire: simulated arms, their Gymnasium environment, and the arm node.

Imports `turn_rl_ros.core`, never the other way round, save the one door `turn_rl_ros.core.door`.
"""

from dataclasses import fields
from typing import TYPE_CHECKING

from sim.arm import SimArm
from turn_rl_ros.core.door import Disturbance
from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.spec import TaskSpec

if TYPE_CHECKING:
    from sim.env import ArmEnv
    from sim.gymnasium_env import GymnasiumEnv

__all__ = ["SimArm", "make_arm", "make_env"]


def make_arm(spec: TaskSpec, seed: int = 0, disturbance: Disturbance | None = None) -> SimArm:
    """Make the simulated arm of a spec, at home: the NumPy gantry for gridworld, a PyBullet arm for reach.

    Raises TurnRlError when PyBullet is needed and cannot be imported, when the spec is for another arm, or when the
    gantry, which has no dynamics, should have a `disturbance`.
    """
    if spec.task == "gridworld":
        _refuse(disturbance, spec)
        from sim.gantry import Gantry

        return Gantry(spec, seed)
    try:
        from sim.bullet import PyBulletArm
    except ImportError as error:
        raise TurnRlError(
            f"the task {spec.task!r} needs PyBullet, which cannot be imported ({error}); "
            "pip install pybullet, or set task.kind to gridworld, which needs NumPy only"
        ) from error
    return PyBulletArm(spec, disturbance)


def make_env(spec: TaskSpec, seed: int = 0, disturbance: Disturbance | None = None) -> "ArmEnv | GymnasiumEnv":
    """Make the Gymnasium environment of a spec: its simulated arm and its task, or the one that it names.

    Raises as `make_arm` does.
    """
    if spec.task == "gymnasium":
        _refuse(disturbance, spec)
        from sim.gymnasium_env import GymnasiumEnv

        return GymnasiumEnv(spec, seed)
    from sim.env import ArmEnv

    return ArmEnv(spec, make_arm(spec, seed, disturbance), seed)


def _refuse(disturbance: Disturbance | None, spec: TaskSpec) -> None:
    given = disturbance or Disturbance()
    asked = [item.name for item in fields(Disturbance) if getattr(given, item.name) != item.default]
    if asked:
        what = ", ".join(asked)
        raise TurnRlError(f"the simulator of {spec.task!r} has no joint dynamics to change; leave out {what}")
