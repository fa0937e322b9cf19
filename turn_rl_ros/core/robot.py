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

TOPIC = "topic"
"""`task.urdf = topic:<name>` is a robot description that a driver publishes."""
UNLIMITED = 1e6
"""Limit of a joint whose URDF gives none; finite, so that a task spec is plain JSON."""


def read_urdf(where: str) -> str:
    """Text of a URDF: a file path, or `package:path/inside` for a file that an installed Python package ships.

    Raises:
        ConfigError: it is not there; the message names the parameter to change.
    """
    package, colon, inside = where.partition(":")
    if package == TOPIC:
        raise ConfigError(
            f"task.urdf = {where!r}: hardware.launch.py fetches it from the driver; "
            "elsewhere give the path of a URDF file"
        )
    if colon and find_spec(package) is None:
        raise ConfigError(
            f"task.urdf = {where!r}: the Python package {package!r} is not installed; give the path of a URDF file"
        )
    if colon:
        origin = find_spec(package).origin  # type: ignore[union-attr]
        path = Path(str(origin)).parent / inside
    else:
        path = Path(where).expanduser()
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"task.urdf = {where!r}: cannot read {path} ({error.strerror}); give the path of a URDF file"
        ) from error


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
        moving = [link for link in links if link.kind != "fixed"]
        if [link.joint for link in moving] != list(joint_names):
            raise ConfigError(
                f"task.joint_names = {list(joint_names)}, but the URDF's chain moves {[link.joint for link in moving]}"
            )
        self._prismatic = np.array([link.kind == "prismatic" for link in moving])
        self._axes = np.array([link.axis for link in moving])
        self._constant, self._first, self._second, self._tip = _motion(links)

    @classmethod
    def from_urdf(cls, text: str, tip: str, joint_names: Sequence[str]) -> "KinematicChain":
        """Walk from the link `tip` up to the root. Raises ConfigError when the URDF has no such link."""
        root = _parse(text)
        joints = [joint for joint in root.iter("joint") if joint.find("child") is not None]
        by_child = {joint.find("child").get("link"): joint for joint in joints}  # type: ignore[union-attr]
        if tip not in {link.get("name") for link in root.iter("link")}:
            raise ConfigError(f"task.tip_link = {tip!r} is not a link of the URDF")
        links: list[Link] = []
        at = tip
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
        local = self._local(joint_position)
        place = self._tip[:, 3:]
        for index in reversed(range(len(self.joint_names))):
            place = local[..., index, :, :] @ place
        return place[..., :3, 0]

    def places(self, joint_position: Matrix) -> Matrix:
        """Origins of the joints, base to tip, then the end effector: (..., n_joints + 1, 3) m in the base frame."""
        local = self._local(joint_position)
        frame = local[..., 0, :, :]
        found = [frame[..., :3, 3]]
        for index in range(1, len(self.joint_names)):
            frame = frame @ local[..., index, :, :]
            found.append(frame[..., :3, 3])
        return np.stack([*found, (frame @ self._tip)[..., :3, 3]], axis=-2)

    def jacobian(self, joint_position: Matrix) -> Matrix:
        """Linear-velocity Jacobian, (..., 3, n_joints): end-effector velocity = jacobian @ joint velocity."""
        local = self._local(joint_position)
        frames = [local[..., 0, :, :]]
        for index in range(1, len(self.joint_names)):
            frames.append(frames[-1] @ local[..., index, :, :])
        tip = (frames[-1] @ self._tip)[..., :3, 3]
        columns = []
        for frame, axis, prismatic in zip(frames, self._axes, self._prismatic, strict=True):
            # A joint's own motion leaves its axis where it is, so the moved frame gives the axis in the base frame.
            along = frame[..., :3, :3] @ axis
            columns.append(along if prismatic else np.cross(along, tip - frame[..., :3, 3]))
        return np.stack(columns, axis=-1)

    def _local(self, joint_position: Matrix) -> Matrix:
        """Transform from each joint's parent frame to its moved frame, (..., n_joints, 4, 4)."""
        q = np.asarray(joint_position, dtype=np.float64)
        first, second = np.where(self._prismatic, q, np.cos(q)), np.where(self._prismatic, 0.0, np.sin(q))
        return self._constant + first[..., None, None] * self._first + second[..., None, None] * self._second


def _motion(links: Sequence[Link]) -> tuple[Matrix, Matrix, Matrix, Matrix]:
    """Matrices A, B, C (n, 4, 4) with local transform = A + cos(q) B + sin(q) C, and the fixed transform to the tip.

    Rodrigues' formula, R = a a' + cos(q) (I - a a') + sin(q) [a]x; a prismatic joint is A + q B. Fixed joints are
    folded into the joint that follows them.
    """
    fixed = np.eye(4)
    parts = []
    for link in links:
        fixed = fixed @ link.origin
        if link.kind == "fixed":
            continue
        x, y, z = axis = link.axis / np.linalg.norm(link.axis)
        constant, first, second = np.zeros((4, 4)), np.zeros((4, 4)), np.zeros((4, 4))
        if link.kind == "prismatic":
            constant, first[:3, 3] = np.eye(4), axis
        else:
            constant[:3, :3], constant[3, 3] = np.outer(axis, axis), 1.0
            first[:3, :3] = np.eye(3) - np.outer(axis, axis)
            second[:3, :3] = [[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]]
        parts.append((fixed @ constant, fixed @ first, fixed @ second))
        fixed = np.eye(4)
    a, b, c = (np.array(matrices) for matrices in zip(*parts, strict=True))
    return a, b, c, fixed


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
            raise ConfigError(
                f"task.joint_names: the URDF has no limited joint {name!r}; it has {sorted(n for n in joints if n)}"
            )
        low.append(float(limit.get("lower", -UNLIMITED)))
        high.append(float(limit.get("upper", UNLIMITED)))
        velocity.append(float(limit.get("velocity", UNLIMITED)))
    return JointLimits(tuple(low), tuple(high), tuple(velocity))


def child_link(text: str, joint_name: str) -> str:
    """The link that a joint carries. Raises ConfigError for a joint that is not there."""
    for joint in _parse(text).iter("joint"):
        child = joint.find("child")
        if joint.get("name") == joint_name and child is not None:
            return str(child.get("link"))
    raise ConfigError(f"the URDF has no joint {joint_name!r}")


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
