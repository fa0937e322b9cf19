"""Messages to arrays and back, one pair of functions a type. No logic."""

import hashlib
import json
import math
from array import array
from collections.abc import Mapping
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from numpy.typing import NDArray
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray, MultiArrayDimension, MultiArrayLayout, String, UInt8MultiArray

from turn_rl_ros.core.decision import Decision
from turn_rl_ros.core.errors import PolicyRejected, TurnRlError

_HEAD = 9
"""Values before the command: sec, nanosec (a float64 cannot hold a stamp in ns), episode, step, behaviour,
intervention, goal x y z."""


STAMP_LABEL = "stamp_ns:"
"""Begins the layout label of a controller command; the stamp of the joint state that it answers follows."""


def stamp_ns(stamp: Any) -> int:
    """builtin_interfaces/Time in nanoseconds."""
    return stamp.sec * 1_000_000_000 + stamp.nanosec


class JointStateReader:
    """joint_states of any joint order and extra joints -> arrays in the order of the task's joints."""

    def __init__(self, joint_names: tuple[str, ...]) -> None:
        self._wanted = joint_names
        self._seen: list[str] | None = None
        self._index: list[int] | None = None

    def read(self, message: JointState) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
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


def decision_to_message(decision: Decision) -> Float64MultiArray:
    """Lay a decision out as [sec, nanosec, episode, step, behaviour, intervention, goal x 3, command x n]."""
    sec, nanosec = divmod(decision.stamp_ns, 1_000_000_000)
    head = (sec, nanosec, decision.episode, decision.step, decision.behaviour, decision.intervention)
    # An array of doubles is taken as it is; a list would be checked element by element.
    return Float64MultiArray(layout=_LAYOUT, data=array("d", [*head, *decision.goal, *decision.command]))


def message_to_decision(message: Float64MultiArray) -> Decision:
    """Inverse of `decision_to_message`; raises TurnRlError for a message that is too short."""
    data = message.data
    if len(data) < _HEAD:
        raise TurnRlError(f"a decision has at least {_HEAD} values, this message has {len(data)}")
    sec, nanosec, episode, step, behaviour, intervention = (int(value) for value in data[:6])
    values = np.array(data)
    return Decision(
        stamp_ns=sec * 1_000_000_000 + nanosec,
        episode=episode,
        step=step,
        behaviour=behaviour,
        goal=values[6:_HEAD],
        command=values[_HEAD:],
        intervention=intervention,
    )


def command_to_message(decision: Decision) -> Float64MultiArray:
    """The command for the controller. ros2_control ignores the label; a simulation sees which state was answered."""
    layout = MultiArrayLayout(dim=[MultiArrayDimension(label=f"{STAMP_LABEL}{decision.stamp_ns}")])
    return Float64MultiArray(layout=layout, data=array("d", decision.command))


def policy_to_message(blob: bytes) -> UInt8MultiArray:
    """An artifact for the wire, with its sha256 in the layout's label."""
    message = UInt8MultiArray()
    label = f"sha256:{hashlib.sha256(blob).hexdigest()}"
    message.layout.dim = [MultiArrayDimension(label=label, size=len(blob), stride=len(blob))]
    message.data.frombytes(blob)  # 20 us a MB; assigning a list takes 13 ms
    return message


def message_to_policy(message: UInt8MultiArray) -> tuple[bytes, str]:
    """Artifact bytes and the sha256 that the sender claims. Raises PolicyRejected when the label is missing."""
    label = message.layout.dim[0].label if message.layout.dim else ""
    if not label.startswith("sha256:"):
        raise PolicyRejected("the policy message carries no 'sha256:...' label")
    return bytes(message.data), label.removeprefix("sha256:")


def goal_to_message(goal: NDArray[np.float64], stamp: Any, frame: str) -> PoseStamped:
    """A goal position in the frame of the arm's base, with the identity orientation."""
    message = PoseStamped()
    message.header.stamp, message.header.frame_id = stamp, frame
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


_LAYOUT = MultiArrayLayout(
    dim=[MultiArrayDimension(label="sec,nanosec,episode,step,behaviour,intervention,goal_x,goal_y,goal_z,command...")]
)
