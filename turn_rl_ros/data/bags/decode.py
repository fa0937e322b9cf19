"""From CDR bytes to joint numbers, with checks: each kind of message that can carry a state, a command or a goal."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rosbags.typesys import Stores, get_typestore

from turn_rl_ros.core.cdr import JointStateDecoder, NumbersDecoder
from turn_rl_ros.core.errors import TurnRlError

Array = NDArray[np.float64]

STORE = get_typestore(Stores.ROS2_JAZZY)
JOINT_STATE = "sensor_msgs/msg/JointState"
NUMBERS = "std_msgs/msg/Float64MultiArray"
TRAJECTORY = "trajectory_msgs/msg/JointTrajectory"
TWIST = "geometry_msgs/msg/TwistStamped"
GOALS = tuple(f"geometry_msgs/msg/{name}" for name in ("PoseStamped", "PointStamped", "Pose", "Point"))


class Malformed(TurnRlError):
    """One message cannot be used; says why, and under which name it is counted."""

    def __init__(self, cause: str, text: str) -> None:
        super().__init__(text)
        self.cause = cause


class Sample(NamedTuple):
    """A state or a command of joints, or a velocity of the end effector (3,)."""

    stamp_ns: int
    """In its header; 0 where it has none."""
    names: Sequence[str]
    position: Array
    velocity: Array


def sampler(kind: str) -> Callable[[bytes], Sample]:
    """What reads messages of a type; raises Malformed for bytes that are no such message."""
    general = partial(STORE.deserialize_cdr, typename=kind)
    reads = {
        JOINT_STATE: _of_joint_state(JointStateDecoder(general)),
        NUMBERS: _of_numbers(NumbersDecoder(general)),
        TRAJECTORY: _guarded(kind, lambda raw: _of_trajectory(general(raw))),
        TWIST: _guarded(kind, lambda raw: _of_twist(general(raw))),
    }
    return reads[kind]


def goal_reader(kind: str) -> Callable[[bytes], Array]:
    """What reads a goal position (3,) m from messages of a type; raises Malformed."""
    general = partial(STORE.deserialize_cdr, typename=kind)

    def read(raw: bytes) -> Array:
        message: Any = general(raw)
        place = getattr(message, "pose", message)
        place = getattr(place, "position", getattr(place, "point", place))
        goal = np.array([place.x, place.y, place.z])
        if not np.isfinite(goal).all():
            raise Malformed("not_finite", f"the goal is {goal.tolist()}")
        return goal

    return _guarded(kind, read)


class Picker:
    """Puts the values of messages into the order of the task's joints."""

    def __init__(self, joints: Sequence[str], given: Sequence[str]) -> None:
        """`joints`: the bag's name of each joint of the task, in order; `given`: names where messages have none."""
        self._joints, self._given = list(joints), list(given)
        self._ones = np.ones(len(self._joints))
        self._seen: Sequence[str] | None = None
        self._index: Any = None

    def __call__(self, names: Sequence[str], values: Array, what: str) -> Array:
        """(n_joints,). Raises Malformed when a joint or a value is missing or not finite."""
        if names is not self._seen:
            self._learn(names)
        if len(values) != self._size:
            raise Malformed("missing_values", f"{self._size} names and {len(values)} {what} values")
        picked = values if self._index is None else values[self._index]
        if not math.isfinite(picked.dot(self._ones)):  # a quarter of the cost of asking each
            bad = self._joints[int(np.argmin(np.isfinite(picked)))]
            raise Malformed("not_finite", f"{what} of {bad} is not finite")
        return picked

    def _learn(self, names: Sequence[str]) -> None:
        listed = [name for name in names if name] or self._given
        if not listed:
            raise Malformed("no_names", "it has no joint names; give them as `names` in the mapping")
        missing = [name for name in self._joints if name not in listed]
        if missing:
            raise Malformed("missing_joint", f"it has no joint {missing[0]!r}, it has {', '.join(listed)}")
        self._index = None if listed == self._joints else [listed.index(name) for name in self._joints]
        self._seen, self._size = names, len(listed)


def _guarded(kind: str, read: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def guarded(raw: bytes) -> Any:
        try:
            return read(raw)
        except TurnRlError:
            raise
        except Exception as error:
            raise _undecodable(kind, error) from error

    return guarded


def _undecodable(kind: str, error: Exception) -> Malformed:
    """Damaged bytes make a decoder raise almost anything."""
    why = (str(error).splitlines() or [type(error).__name__])[0]
    return Malformed("undecodable", f"it is no {kind} ({why})")


def _ns(stamp: Any) -> int:
    return stamp.sec * 1_000_000_000 + stamp.nanosec


def _of_joint_state(decode: JointStateDecoder) -> Callable[[bytes], Sample]:
    def read(raw: bytes) -> Sample:
        try:
            (stamp, _), names, position, velocity, _ = decode(raw)
        except Exception as error:
            raise _undecodable(JOINT_STATE, error) from error
        return Sample(stamp[0] * 1_000_000_000 + stamp[1], names, position, velocity)

    return read


def _of_numbers(decode: NumbersDecoder) -> Callable[[bytes], Sample]:
    def read(raw: bytes) -> Sample:
        try:
            _, values = decode(raw)
        except Exception as error:
            raise _undecodable(NUMBERS, error) from error
        return Sample(0, (), values, values)

    return read


def _of_trajectory(message: Any) -> Sample:
    if len(message.points) != 1:
        raise Malformed(
            "plan",
            f"a trajectory of {len(message.points)} points is a plan, not the command of one control period; leave "
            "commands.topic empty to derive actions from the states",
        )
    point = message.points[0]
    return Sample(_ns(message.header.stamp), message.joint_names, point.positions, point.velocities)


def _of_twist(message: Any) -> Sample:
    linear = message.twist.linear
    velocity = np.array([linear.x, linear.y, linear.z])
    if not np.isfinite(velocity).all():
        raise Malformed("not_finite", f"the velocity is {velocity.tolist()}")
    return Sample(_ns(message.header.stamp), ("x", "y", "z"), velocity, velocity)
