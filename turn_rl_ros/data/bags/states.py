"""Joint states of a recording, in the order of the task's joints, with what cannot be motion found out."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.robot import UNLIMITED
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.data.bags.decode import JOINT_STATE, Malformed, Picker, sampler
from turn_rl_ros.data.bags.mapping import States
from turn_rl_ros.data.bags.reader import Message

Array = NDArray[np.float64]

SLACK = 0.3
"""A jump is a move of more than this, rad or m, beyond twice what the joint's speed explains. Encoders wrap by more."""


class State(NamedTuple):
    """A joint state. position, velocity: (n_joints,)."""

    position: Array
    velocity: Array
    stamp_ns: int
    receive_ns: int


class StateReader:
    """Messages of the state topic, one after another."""

    def __init__(self, spec: TaskSpec, mapping: States) -> None:
        joints = named(mapping.joints) or spec.joint_names
        self._pick, self._read = Picker(joints, named(mapping.names)), sampler(JOINT_STATE)
        self._header, self._measured = mapping.time == "header", mapping.velocity == "measured"
        self._joints, self._limits = joints, np.array(spec.joint_velocity)
        self._limits[self._limits >= UNLIMITED] = np.inf
        self._last: State | None = None

    def read(self, message: Message) -> State:
        """The state in a message. Raises Malformed."""
        sample = self._read(message.raw)
        stamp_ns = stamp_of(sample.stamp_ns, message) if self._header else message.receive_ns
        position = self._pick(sample.names, sample.position, "position")
        if self._measured:
            if not len(sample.velocity):
                raise Malformed("no_velocity", "it has no velocities; write `velocity: difference` in the mapping")
            velocity = self._pick(sample.names, sample.velocity, "velocity")
        else:
            velocity = self._difference(position, stamp_ns)
        if self._last is not None and stamp_ns == self._last.stamp_ns:
            raise Malformed("repeated_stamp", f"it has the stamp of the one before, {stamp_ns} ns")
        return State(position, velocity, stamp_ns, message.receive_ns)

    def follow(self, state: State) -> str:
        """Take note of a state; says what keeps it from being a motion from the one before, "" if nothing does."""
        last, self._last = self._last, state
        if last is None:
            return ""
        passed_s = (state.stamp_ns - last.stamp_ns) / 1e9
        if passed_s < 0:
            return f"its stamp is {-passed_s:.3f} s before that of the one before"
        moved = state.position - last.position
        if moved.dot(moved) <= SLACK * SLACK:
            return ""  # no joint moved further than all of them
        moved = np.abs(moved)
        speed = np.maximum(np.abs(state.velocity), np.abs(last.velocity)) if self._measured else self._limits
        excess = moved - 2.0 * speed * passed_s
        joint = int(excess.argmax())
        if excess[joint] <= SLACK:
            return ""
        how = f"at {speed[joint]:.2f} /s " if self._measured else ""
        return f"{self._joints[joint]} jumped by {moved[joint]:.2f} in {passed_s * 1e3:.0f} ms {how}(an encoder wrap?)"

    def _difference(self, position: Array, stamp_ns: int) -> Array:
        """Backward difference, so that a velocity knows nothing of what comes after it; zero for the first state."""
        last = self._last
        if last is None or stamp_ns <= last.stamp_ns:
            return np.zeros_like(position)
        return (position - last.position) / ((stamp_ns - last.stamp_ns) / 1e9)


def stamp_of(stamp_ns: int, message: Message) -> int:
    """A header's stamp. Raises Malformed where nobody set it: zero, in a recording that did not begin at zero."""
    if stamp_ns == 0 and message.receive_ns != 0:
        raise Malformed("zero_stamp", "its header stamp is zero; write `time: receive` in the mapping to go by arrival")
    return stamp_ns


def named(names: tuple[str, ...]) -> tuple[str, ...]:
    """A list of a mapping, whose default has one empty name."""
    return tuple(name for name in names if name)
