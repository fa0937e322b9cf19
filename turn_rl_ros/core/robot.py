"""A serial arm as its URDF describes it: joint limits, and where its end effector is.

Forward kinematics follow the URDF joint definition (http://wiki.ros.org/urdf/XML/joint): a fixed origin, then a
rotation or translation about the axis.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.errors import ConfigError

Matrix = NDArray[np.float64]


def read_urdf(where: str) -> str:
    """Text of a URDF: a file path, or `package:path/inside` for a file that an installed Python package ships.

    Raises:
        ConfigError: it is not there; the message names the parameter to change.
    """
    package, colon, inside = where.partition(":")
    if colon and find_spec(package) is None:
        raise ConfigError(f"task.urdf = {where!r}: the Python package {package!r} is not installed; give the path of a URDF file")
    if colon:
        origin = find_spec(package).origin  # type: ignore[union-attr]
        path = Path(str(origin)).parent / inside
    else:
        path = Path(where).expanduser()
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"task.urdf = {where!r}: cannot read {path} ({error.strerror}); give the path of a URDF file") from error


@dataclass(frozen=True)
class Link:
    """One joint of the chain: `origin` (4, 4) from the parent link, then motion along `axis` (3,)."""

    joint: str
    kind: str
    origin: Matrix
    axis: NDArray[np.float64]


class KinematicChain:
    """The joints from the base to the end effector.

    Positions are (..., n_joints), in the order of `joint_names`; results have the same leading dimensions.
    """

    def __init__(self, links: Sequence[Link], joint_names: Sequence[str]) -> None:
        self.joint_names = tuple(joint_names)
        self._links = tuple(links)
        moving = [link.joint for link in links if link.kind != "fixed"]
        if moving != list(joint_names):
            raise ConfigError(f"task.joint_names = {list(joint_names)}, but the URDF's chain moves {moving}")

    @classmethod
    def from_urdf(cls, text: str, tip: str, joint_names: Sequence[str]) -> "KinematicChain":
        """Walk from the link `tip` up to the root. Raises ConfigError when the URDF has no such link."""
        root = _parse(text)
        by_child = {joint.find("child").get("link"): joint for joint in root.iter("joint") if joint.find("child") is not None}  # type: ignore[union-attr]
        links: list[Link] = []
        at = tip
        if tip not in {link.get("name") for link in root.iter("link")}:
            raise ConfigError(f"task.tip_link = {tip!r} is not a link of the URDF")
        while at in by_child:
            joint = by_child[at]
            links.append(_link(joint))
            at = str(joint.find("parent").get("link"))  # type: ignore[union-attr]
        return cls(links[::-1], joint_names)

    def to_details(self) -> list[dict[str, Any]]:
        """The chain as JSON values, for a task spec."""
        return [
            {"joint": link.joint, "kind": link.kind, "origin": link.origin.tolist(), "axis": link.axis.tolist()}
            for link in self._links
        ]

    @classmethod
    def from_details(cls, details: Sequence[Mapping[str, Any]], joint_names: Sequence[str]) -> "KinematicChain":
        """Inverse of `to_details`."""
        links = [Link(d["joint"], d["kind"], np.array(d["origin"]), np.array(d["axis"])) for d in details]
        return cls(links, joint_names)

    def position(self, joint_position: Matrix) -> Matrix:
        """End-effector position in the base frame, (..., 3) metres."""
        return self._walk(np.asarray(joint_position, dtype=np.float64))[0]

    def jacobian(self, joint_position: Matrix) -> Matrix:
        """Linear-velocity Jacobian, (..., 3, n_joints): end-effector velocity = jacobian @ joint velocity."""
        tip, axes, origins, kinds = self._walk(np.asarray(joint_position, dtype=np.float64))
        columns = [
            axis if kind == "prismatic" else np.cross(axis, tip - origin)
            for axis, origin, kind in zip(axes, origins, kinds, strict=True)
        ]
        return np.stack(columns, axis=-1)

    def _walk(self, q: Matrix) -> tuple[Matrix, list[Matrix], list[Matrix], list[str]]:
        lead = q.shape[:-1]
        rotation = np.broadcast_to(np.eye(3), (*lead, 3, 3))
        place = np.zeros((*lead, 3))
        axes, origins, kinds = [], [], []
        index = 0
        for link in self._links:
            place = place + rotation @ link.origin[:3, 3]
            rotation = rotation @ link.origin[:3, :3]
            if link.kind == "fixed":
                continue
            axis = rotation @ link.axis
            axes.append(axis)
            origins.append(place)
            kinds.append(link.kind)
            amount = q[..., index]
            index += 1
            if link.kind == "prismatic":
                place = place + axis * amount[..., None]
            else:
                rotation = rotation @ _rotation(link.axis, amount)
        return place, axes, origins, kinds


@dataclass(frozen=True)
class JointLimits:
    """Limits of the joints in order; position in rad (or m), velocity in rad/s (or m/s). (n_joints,) each."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    velocity: tuple[float, ...]


def limits_from_urdf(text: str, joint_names: Sequence[str]) -> JointLimits:
    """Position and velocity limits of the named joints. Raises ConfigError for a joint that is not there."""
    joints = {joint.get("name"): joint for joint in _parse(text).iter("joint")}
    low, high, velocity = [], [], []
    for name in joint_names:
        limit = joints[name].find("limit") if name in joints else None
        if limit is None:
            raise ConfigError(f"task.joint_names: the URDF has no limited joint {name!r}; it has {sorted(n for n in joints if n)}")
        low.append(float(limit.get("lower", "-inf")))
        high.append(float(limit.get("upper", "inf")))
        velocity.append(float(limit.get("velocity", "inf")))
    return JointLimits(tuple(low), tuple(high), tuple(velocity))


def urdf_hash(text: str) -> str:
    """sha256 of a robot description."""
    return hashlib.sha256(text.encode()).hexdigest()


def _parse(text: str) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ConfigError(f"task.urdf is not a URDF: {error}") from error


def _link(joint: ElementTree.Element) -> Link:
    origin = joint.find("origin")
    xyz = _floats(origin.get("xyz") if origin is not None else None)
    roll, pitch, yaw = _floats(origin.get("rpy") if origin is not None else None)
    matrix = np.eye(4)
    matrix[:3, :3] = _rpy(roll, pitch, yaw)
    matrix[:3, 3] = xyz
    axis_tag = joint.find("axis")
    axis = np.array(_floats(axis_tag.get("xyz") if axis_tag is not None else "1 0 0"))
    kind = str(joint.get("type"))
    return Link(str(joint.get("name")), "revolute" if kind == "continuous" else kind, matrix, axis)


def _floats(text: str | None) -> list[float]:
    return [float(part) for part in text.split()] if text else [0.0, 0.0, 0.0]


def _rpy(roll: float, pitch: float, yaw: float) -> Matrix:
    """Rotation by fixed-axis roll, pitch, yaw (REP-103)."""
    cr, sr, cp, sp, cy, sy = (f(a) for a in (roll, pitch, yaw) for f in (math.cos, math.sin))
    return np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )


def _rotation(axis: NDArray[np.float64], angle: Matrix) -> Matrix:
    """Rodrigues' formula; `angle` (...), result (..., 3, 3)."""
    x, y, z = axis
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    s, c = np.sin(angle)[..., None, None], np.cos(angle)[..., None, None]
    return np.eye(3) + s * cross + (1.0 - c) * (cross @ cross)
