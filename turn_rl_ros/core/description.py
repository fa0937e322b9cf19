"""The task's URDF against the driver's: with a looser limit, or another geometry, no arm may be moved."""

import numpy as np

from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.robot import KinematicChain, child_link, limits_from_urdf
from turn_rl_ros.core.spec import TaskSpec

SAME_RAD = 1e-6
"""Rounding between two printings of one limit."""
SAME_PLACE_M = 0.002
"""The end effector's place may differ by so much; the calibration of a real arm moves it by a few millimetres."""
POSTURES = 32


def disagreement(spec: TaskSpec, text: str) -> str:
    """The first thing in which the task is looser than the robot description `text`, in one line; empty: nothing.

    Limits of the task may be tighter. Geometry is compared by the end effector's place in POSTURES postures, for tasks
    that have any.
    """
    try:
        theirs = limits_from_urdf(text, spec.joint_names)
    except ConfigError as error:
        return str(error).removeprefix("task.joint_names: ").removeprefix("task.urdf ")
    for i, name in enumerate(spec.joint_names):
        for what, ours, limit, side in (
            ("lower limit", spec.joint_low[i], theirs.low[i], -1),
            ("upper limit", spec.joint_high[i], theirs.high[i], 1),
            ("velocity limit", spec.joint_velocity[i], theirs.velocity[i], 1),
        ):
            if side * (ours - limit) > SAME_RAD:
                return f"{what} of {name} is {ours:g} in the task and {limit:g} on the robot"
    return _displaced(spec, text)


def _displaced(spec: TaskSpec, text: str) -> str:
    links = spec.details.get("chain")
    if not links:
        return ""
    ours = KinematicChain.from_details(links, spec.joint_names)
    try:
        theirs = KinematicChain.from_urdf(text, child_link(text, links[-1]["joint"]), spec.joint_names)
    except ConfigError as error:
        return str(error)
    low, high = np.array(spec.joint_low), np.array(spec.joint_high)
    postures = np.random.default_rng(0).uniform(np.maximum(low, -np.pi), np.minimum(high, np.pi), (POSTURES, len(low)))
    apart = np.linalg.norm(ours.position(postures) - theirs.position(postures), axis=-1).max()
    return f"the end effector is up to {apart * 1e3:.1f} mm elsewhere on the robot" if apart > SAME_PLACE_M else ""
