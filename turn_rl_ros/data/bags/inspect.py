"""What is in a bag for us: topics, rates, gaps, stamps, names, and what is wrong with them."""

import re
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.data.bags.decode import (
    GOALS,
    JOINT_STATE,
    NUMBERS,
    STORE,
    TRAJECTORY,
    TWIST,
    Malformed,
    Sample,
    sampler,
)
from turn_rl_ros.data.bags.reader import Bag, Message
from turn_rl_ros.data.bags.states import SLACK

JOINTS = (JOINT_STATE, NUMBERS, TRAJECTORY, TWIST)
"""Types that can carry states or commands."""
USEFUL = (*JOINTS, *GOALS)
"""Types that a mapping can name."""
COMMANDING = re.compile(r"command|cmd|reference|setpoint|target|trajectory|servo_positions|/in/", re.IGNORECASE)
"""Words in the names of topics that tell a robot what to do."""
LONG = 10
"""A gap is worth a word when it is this many times the usual time between two messages."""


@dataclass
class TopicFacts:
    """What one topic holds. Times in seconds; NaN where there are too few messages."""

    name: str
    kind: str
    messages: int = 0
    rate_hz: float = float("nan")
    """One over the median time between messages."""
    longest_gap_s: float = float("nan")
    joints: tuple[str, ...] = ()
    values: int = 0
    """Numbers in a message."""
    has_velocity: bool = False
    zero_stamps: int = 0
    repeated_stamps: int = 0
    backward_stamps: int = 0
    header_behind_s: float = float("nan")
    """Median of receive time minus header stamp."""
    label: str = ""
    """Of an array of numbers."""
    findings: list[str] = field(default_factory=list)
    """What a person should know before importing it."""

    @property
    def has_header(self) -> bool:
        """Whether its messages can carry a stamp."""
        return self.kind in (JOINT_STATE, TRAJECTORY, TWIST)


class _Watch:
    """Collects what one topic's messages say; memory is 16 bytes a message."""

    def __init__(self, name: str, kind: str) -> None:
        self.facts = TopicFacts(name, kind)
        self._read = sampler(kind) if kind in JOINTS else None
        self._moves = kind == JOINT_STATE and not COMMANDING.search(name)  # what is wanted may jump
        self._receive, self._stamps = array("q"), array("q")
        self._last: Sample | None = None
        self._jumps: list[str] = []
        self._bad: list[str] = []

    def see(self, message: Message) -> None:
        self._receive.append(message.receive_ns)
        if self._read is None:
            return
        try:
            sample = self._read(message.raw)
        except Malformed as error:
            self._bad.append(f"message {message.number}: {error}")
            return
        if self._last is None:
            self._meet(message, sample)
        self._stamps.append(sample.stamp_ns)
        if self._moves and self._last is not None:
            self._jump(message, self._last, sample)
        self._last = sample

    def _meet(self, message: Message, sample: Sample) -> None:
        facts = self.facts
        facts.joints = tuple(name for name in sample.names if name)
        facts.values, facts.has_velocity = max(len(sample.position), len(sample.velocity)), bool(len(sample.velocity))

    def _jump(self, message: Message, last: Sample, sample: Sample) -> None:
        """As `StateReader.follow`, without limits to go by; 10 rad/s where no velocity is measured."""
        if len(sample.position) != len(last.position) or not len(sample.position):
            return
        moved = np.abs(sample.position - last.position)
        passed_s = max(self._receive[-1] - self._receive[-2], 0) / 1e9
        both = len(sample.velocity) == len(last.velocity) == len(moved)
        speed = np.maximum(np.abs(sample.velocity), np.abs(last.velocity)) if both else np.full(len(moved), 10.0)
        excess = moved - 2.0 * speed * passed_s
        joint = int(excess.argmax())
        if excess[joint] > SLACK:
            which = sample.names[joint] if joint < len(sample.names) else f"value {joint + 1}"
            self._jumps.append(f"message {message.number}: {which} moved {moved[joint]:.2f} in {passed_s * 1e3:.0f} ms")

    def finish(self) -> TopicFacts:
        facts, receive = self.facts, np.array(self._receive, np.int64)
        facts.messages = len(receive)
        if len(receive) > 1:
            apart = np.diff(receive) / 1e9
            usual, longest = float(np.median(apart)), int(apart.argmax())
            facts.rate_hz = 1.0 / usual if usual > 0 else float("nan")
            facts.longest_gap_s = float(apart[longest])
            if not apart.any():
                facts.findings.append(f"all {len(receive)} messages have one receive time")
            elif self._read and usual > 0 and facts.longest_gap_s > max(LONG * usual, 0.5):
                facts.findings.append(f"message {longest + 2} came {facts.longest_gap_s:.1f} s after the one before")
        if facts.kind not in STORE.fielddefs:
            facts.findings.append("no standard message type: left alone")
        if self._read is not None:
            self._judge(receive[: len(self._stamps)])
        return facts

    def _judge(self, receive: NDArray[np.int64]) -> None:
        facts, say = self.facts, self.facts.findings.append
        if facts.has_header and self._stamps:
            stamps = np.array(self._stamps, np.int64)
            facts.zero_stamps = int(((stamps == 0) & (receive != 0)).sum())
            steps = np.diff(stamps[stamps != 0])
            facts.repeated_stamps, facts.backward_stamps = int((steps == 0).sum()), int((steps < 0).sum())
            facts.header_behind_s = float(np.median(receive - stamps)) / 1e9
            if facts.zero_stamps:
                say(f"{facts.zero_stamps} header stamps are zero: go by the receive time")
            if facts.repeated_stamps:
                say(f"{facts.repeated_stamps} header stamps are those of the message before")
            if facts.backward_stamps:
                say(f"{facts.backward_stamps} header stamps are before the one before: the clock went back")
        if facts.kind == JOINT_STATE and self._stamps and not facts.joints:
            say(f"no joint names: give {facts.values} as `names`")
        for found, what in ((self._jumps, "jumps that no velocity explains (encoder wraps?)"), (self._bad, "unusable")):
            if found:
                say(f"{len(found)} {what}, first {found[0]}")


def inspect(bag: Bag, progress: Callable[[Iterable[Message]], Iterable[Message]] = iter) -> list[TopicFacts]:
    """Facts of every topic, by name; reads the whole bag once."""
    watches = {name: _Watch(name, kind) for name, kind in bag.topics.items()}
    for message in progress(bag.messages()):
        watches[message.topic].see(message)
    found = [watches[name].finish() for name in sorted(watches)]
    for facts in found:
        if facts.kind == NUMBERS and facts.messages:
            facts.label = _label(bag, facts.name)
    return found


def _label(bag: Bag, topic: str) -> str:
    """Label of the first dimension of the first message."""
    message: Any = STORE.deserialize_cdr(next(iter(bag.messages([topic]))).raw, NUMBERS)
    return str(message.layout.dim[0].label) if message.layout.dim else ""
