"""Which state a recorded command answers, and what it says in the unit of the task's command interface."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.assembler import STRETCH
from turn_rl_ros.core.decision import Decision
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.task import make_task
from turn_rl_ros.data.bags.decode import TWIST, Malformed, Picker, sampler
from turn_rl_ros.data.bags.errors import BagError, Faults
from turn_rl_ros.data.bags.mapping import Commands
from turn_rl_ros.data.bags.reader import Message
from turn_rl_ros.data.bags.states import State, named, stamp_of

Array = NDArray[np.float64]

OUT_OF_ORDER = 3
"""Control periods by which a stamp may lie before the newest one; further back the clock was set."""

UNEVEN = 0.25
"""Derived actions need states this close, as a share of the control period, to where a period ends."""


class Answer(NamedTuple):
    """A command (n_joints,), in the unit of the command interface, and the state that it answers."""

    state: State
    command: Array
    number: int
    """Of the message; of the state's, roughly, where the command is derived."""


class Source(Protocol):
    """Where commands come from."""

    def heard(self, message: Message) -> Iterable[Answer | Decision]:
        """Take in a message of the command topic. Raises Malformed."""
        ...

    def seen(self, state: State, number: int) -> Iterable[Answer]:
        """Take in a state."""
        ...

    def flush(self) -> Iterable[Answer]:
        """Nothing of what came so far continues: what is left, and a new start."""
        ...


class GuardRecords:
    """What a guard of ours published on `guard/executed`: complete decisions."""

    def __init__(self, kind: str, joints: int) -> None:
        self._read, self._joints = sampler(kind), joints

    def heard(self, message: Message) -> Iterable[Answer | Decision]:
        """The decision in the message. Raises Malformed."""
        values = self._read(message.raw).position
        if not np.isfinite(values).all():
            raise Malformed("not_finite", "a number of the record is not finite")
        decision = Decision.from_numbers(values)
        if len(decision.command) != self._joints:
            raise Malformed("malformed", f"it commands {len(decision.command)} joints, the task has {self._joints}")
        return (decision,)

    def seen(self, state: State, number: int) -> Iterable[Answer]:
        """Nothing: a record says itself which state it answers."""
        return ()

    def flush(self) -> Iterable[Answer]:
        """Nothing is kept."""
        return ()


class Commanded:
    """Commands of any controller. One answers the newest state before its header's stamp, or recorded before it."""

    def __init__(self, spec: TaskSpec, mapping: Commands, kind: str, states_time: str, faults: Faults) -> None:
        self._topic, self._faults, self._twist = mapping.topic, faults, kind == TWIST
        self._read = sampler(kind)
        self._given = mapping.kind
        joints = named(mapping.joints) or spec.joint_names
        # An array of numbers has no names: its order is that of the joints, unless the mapping says otherwise.
        self._pick = Picker(joints, named(mapping.names) or joints)
        self._header = mapping.time == "header"
        self._same_clock = mapping.time == states_time
        self._task, self._rate = make_task(spec), spec.rate_hz
        self._as_is = not self._twist and mapping.kind == spec.command_interface
        self._stale_ns = STRETCH * spec.period_ns
        self._kept_ns = OUT_OF_ORDER * spec.period_ns
        self._states: deque[State] = deque(maxlen=None if self._header else 1)
        self._waiting: deque[tuple[int, Array, int]] = deque()
        if self._twist and spec.action.names != ("vx", "vy", "vz"):
            raise BagError(f"{mapping.topic} has velocities of the end effector; the task needs action: ee_velocity")

    def heard(self, message: Message) -> Iterable[Answer | Decision]:
        """With header stamps a command waits until a later state shows which one it answers."""
        sample = self._read(message.raw)
        if self._twist:
            values = sample.velocity
        else:
            chosen = sample.velocity if self._given == "velocity" else sample.position
            values = self._pick(sample.names, chosen, self._given)
        if not self._header:
            return self._answer(self._states[-1] if self._states else None, message.receive_ns, values, message.number)
        self._waiting.append((stamp_of(sample.stamp_ns, message), values, message.number))
        return list(self._resolve(self._states[-1].stamp_ns)) if self._states else ()

    def seen(self, state: State, number: int) -> Iterable[Answer]:
        """The commands that came after the state before this one."""
        answers = list(self._resolve(state.stamp_ns)) if self._waiting else ()
        self._states.append(state)
        if self._header:
            while self._states[0].stamp_ns < state.stamp_ns - self._kept_ns:
                self._states.popleft()
        return answers

    def flush(self) -> Iterable[Answer]:
        """The commands after the last state."""
        answers = list(self._resolve(2**63))
        self._states.clear()
        return answers

    def _resolve(self, before_ns: int) -> Iterator[Answer]:
        while self._waiting and self._waiting[0][0] < before_ns:
            when_ns, values, number = self._waiting.popleft()
            before = (state for state in reversed(self._states) if state.stamp_ns <= when_ns)
            yield from self._answer(next(before, None), when_ns, values, number)

    def _answer(self, state: State | None, when_ns: int, values: Array, number: int) -> Iterable[Answer]:
        if state is None:
            self._faults.note("no_state", self._topic, number, "no joint state came before it, or long ago")
            return ()
        if self._same_clock:
            waited_ns = when_ns - (state.stamp_ns if self._header else state.receive_ns)
            if waited_ns > self._stale_ns:
                text = f"the joint state before it is {waited_ns / 1e9:.3f} s old"
                self._faults.note("stale_state", self._topic, number, text)
                return ()
        return (Answer(state, values if self._as_is else self._converted(values, state), number),)

    def _converted(self, values: Array, state: State) -> Array:
        """In the unit of the command interface; a position is what one control period at a velocity leads to."""
        if self._twist:
            # Of all joint velocities that move the end effector so, the smallest (Whitney 1969).
            return np.linalg.pinv(self._task.chain.jacobian(state.position)) @ values  # type: ignore[attr-defined]
        if self._given == "position":
            return (values - state.position) * self._rate
        return state.position + values / self._rate


class Derived:
    """No command was recorded: what the joints did over a control period is what they were told."""

    def __init__(self, spec: TaskSpec, topic: str, faults: Faults) -> None:
        self._topic, self._faults = topic, faults
        self._period_ns, self._velocity = spec.period_ns, spec.command_interface == "velocity"
        self._tick: State | None = None
        self._last: State | None = None

    def heard(self, message: Message) -> Iterable[Answer | Decision]:
        """There is no command topic."""
        return ()

    def seen(self, state: State, number: int) -> Iterable[Answer]:
        """The command over the control period that ends with this state, if one does."""
        tick, last, self._last = self._tick, self._last, state
        if tick is None or last is None:
            self._tick = state
            return ()
        passed_ns = state.stamp_ns - tick.stamp_ns
        if passed_ns < self._period_ns - (state.stamp_ns - last.stamp_ns) / 2:
            return ()
        self._tick = state
        if abs(passed_ns - self._period_ns) > UNEVEN * self._period_ns:
            text = (
                f"{passed_ns / 1e6:.1f} ms after the state before, not the control period's {self._period_ns / 1e6:g}"
            )
            self._faults.note("uneven_states", self._topic, number, text)
            return ()
        moved = state.position - tick.position
        return (Answer(tick, moved / (passed_ns / 1e9) if self._velocity else state.position, number),)

    def flush(self) -> Iterable[Answer]:
        """Begin anew with the next state."""
        self._tick = self._last = None
        return ()


def source(
    spec: TaskSpec, mapping: Commands, topics: dict[str, str], states: tuple[str, str], faults: Faults
) -> Source:
    """What the mapping says. `states`: topic and `time` of the states. Raises BagError."""
    if not mapping.topic:
        return Derived(spec, states[0], faults)
    kind = topics[mapping.topic]
    if mapping.kind == "guard":
        return GuardRecords(kind, len(spec.joint_names))
    return Commanded(spec, mapping, kind, states[1], faults)
