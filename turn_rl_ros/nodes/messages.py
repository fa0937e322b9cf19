"""Messages to arrays and back, one pair of functions a type. No logic."""

import json
import math
from array import array
from collections.abc import Mapping
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from numpy.typing import NDArray
from std_msgs.msg import MultiArrayDimension, String, UInt8MultiArray

from turn_rl_ros.core.artifact import MAX_BYTES
from turn_rl_ros.core.decision import LAYOUT, Decision
from turn_rl_ros.core.errors import PolicyRejected, TurnRlError
from turn_rl_ros.core.store import Parcel
from turn_rl_ros.nodes.wire import JointNumbers, Numbers, encode_numbers

_HASH, _SIGNATURE = "sha256:", "ed25519:"
STAMP_LABEL = "stamp_ns:"
"""Begins the layout label of a controller command; the stamp of the joint state that it answers follows."""


def stamp_ns(stamp: Any) -> int:
    """builtin_interfaces/Time, or wire.Stamp, in nanoseconds."""
    return stamp.sec * 1_000_000_000 + stamp.nanosec


class JointStateReader:
    """joint_states of any joint order and extra joints -> arrays in the order of the task's joints."""

    def __init__(self, joint_names: tuple[str, ...]) -> None:
        self._wanted = joint_names
        self._seen: list[str] | None = None
        self._index: list[int] | None = None

    def read(self, message: JointNumbers) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
        """Position (n,), velocity (n,), stamp in ns.

        Raises:
            TurnRlError: a joint of the task is missing, or a value is missing or not finite; names the joint.
        """
        if message.name != self._seen:
            self._index = self._order(list(message.name))
        position, velocity = np.array(message.position), np.array(message.velocity)
        if len(position) != len(message.name) or len(velocity) != len(message.name):
            raise TurnRlError(
                f"joint_states has {len(message.name)} names, {len(position)} positions, {len(velocity)} velocities"
            )
        if self._index is not None:
            position, velocity = position[self._index], velocity[self._index]
        # A sum is finite if, short of an overflow, all its terms are: a quarter of the cost of asking each.
        if not math.isfinite(position.sum() + velocity.sum()):
            bad = int(np.argmin(np.isfinite(position) & np.isfinite(velocity)))
            raise TurnRlError(
                f"joint_states: {self._wanted[bad]} is not finite (position {position[bad]}, velocity {velocity[bad]})"
            )
        return position, velocity, stamp_ns(message.header.stamp)

    def _order(self, names: list[str]) -> list[int] | None:
        missing = [name for name in self._wanted if name not in names]
        if missing:
            raise TurnRlError(
                f"joint_states has no joint {missing[0]!r}, it has {', '.join(names) or 'no names'}; "
                "is this the robot of task.joint_names?"
            )
        self._seen = names
        return None if names == list(self._wanted) else [names.index(name) for name in self._wanted]


def read_effort(message: JointNumbers, joint_names: tuple[str, ...]) -> NDArray[np.float64]:
    """Measured effort (n,), Nm or N, in the order of `joint_names`. Raises TurnRlError when there is none."""
    if len(message.effort) != len(message.name):
        raise TurnRlError("joint_states has no effort, which high_load needs")
    effort = dict(zip(message.name, message.effort, strict=True))
    return np.array([effort[name] for name in joint_names])


def decision_to_message(decision: Decision) -> bytes:
    """A decision as `core.decision.LAYOUT` has it.

    Returns:
        A serialized Float64MultiArray, which a publisher takes as it is.
    """
    return encode_numbers(LAYOUT, array("d", decision.to_numbers()))


def message_to_decision(message: Numbers) -> Decision:
    """Inverse of `decision_to_message`; raises TurnRlError for a message that is too short."""
    return Decision.from_numbers(np.array(message.data))


def command_to_message(decision: Decision) -> bytes:
    """The command for the controller. ros2_control ignores the label; a simulation sees which state was answered."""
    return encode_numbers(f"{STAMP_LABEL}{decision.stamp_ns}", array("d", decision.command))


def policy_to_message(parcel: Parcel) -> UInt8MultiArray:
    """An artifact for the wire, with its sha256, and its signature if any, in the labels of the layout."""
    message, size = UInt8MultiArray(), len(parcel.blob)
    message.layout.dim = [MultiArrayDimension(label=f"{_HASH}{parcel.sha256}", size=size, stride=size)]
    if parcel.signature:
        signed = MultiArrayDimension(label=f"{_SIGNATURE}{parcel.signature}", size=1, stride=1)
        message.layout.dim = [*message.layout.dim, signed]
    message.data.frombytes(parcel.blob)  # 20 us a MB; assigning a list takes 13 ms
    return message


def message_to_policy(message: UInt8MultiArray) -> Parcel:
    """What came, unchecked. Raises PolicyRejected when it is too large or carries no sha256."""
    if len(message.data) > MAX_BYTES:
        raise PolicyRejected(f"the policy message has {len(message.data)} bytes; at most {MAX_BYTES} are taken")
    labels = [dimension.label for dimension in message.layout.dim]
    sha256 = next((label.removeprefix(_HASH) for label in labels if label.startswith(_HASH)), "")
    if len(sha256) != 64:
        raise PolicyRejected(f"the policy message carries no {_HASH + '...'!r} label")
    signature = next((label.removeprefix(_SIGNATURE) for label in labels if label.startswith(_SIGNATURE)), "")
    return Parcel(bytes(message.data), sha256, signature)


def goal_to_message(goal: NDArray[np.float64], stamp_ns: int, frame: str) -> PoseStamped:
    """A goal position in the frame of the arm's base, with the identity orientation."""
    message = PoseStamped()
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
    message.header.frame_id = frame
    place = message.pose.position
    place.x, place.y, place.z = (float(value) for value in goal)
    return message


def state_to_message(state: Mapping[str, Any]) -> String:
    """A node's state as JSON, readable with `ros2 topic echo`."""
    return String(data=json.dumps(state, sort_keys=True))


def message_to_state(message: String) -> dict[str, Any]:
    """Inverse of `state_to_message`; an unreadable message is an empty state."""
    try:
        state = json.loads(message.data)
    except ValueError:
        return {}
    return state if isinstance(state, dict) else {}
