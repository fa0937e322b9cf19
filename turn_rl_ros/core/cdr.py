"""Joint states and arrays of numbers, read in place from CDR bytes (OMG DDSI-RTPS 2.5, 10.2).

A general decoder makes a Python object of every field and list element. The messages of one sender differ in stamp and
numbers only, so what they have in common is learnt from the first one, which a general decoder reads (rclpy's on the
wire, rosbags' in a recording); those that begin alike are read in place. Whatever does not begin alike takes the
general way, and is learnt anew.
"""

import struct
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

General = Callable[[bytes], Any]
"""Decodes a message of one type; its attributes are the fields of the message definition."""

_STAMP = struct.Struct("<iI")
_DOUBLE = np.dtype("<f8")
_BODY = 4
"""Bytes before the message itself; they say that it is little-endian CDR. Alignment counts from here."""


class Stamp(NamedTuple):
    """As builtin_interfaces/Time."""

    sec: int
    nanosec: int


class Header(NamedTuple):
    """As std_msgs/Header."""

    stamp: Stamp
    frame_id: str


class JointNumbers(NamedTuple):
    """As sensor_msgs/JointState, with read-only arrays (n,) float64 for its lists."""

    header: Header
    name: list[str]
    position: NDArray[np.float64]
    velocity: NDArray[np.float64]
    effort: NDArray[np.float64]


class Numbers(NamedTuple):
    """As std_msgs/Float64MultiArray, with a read-only array (n,) float64 for its list."""

    layout: Any
    data: NDArray[np.float64]


class _Layout:
    """What the messages of one sender have in common: their size, and every byte but stamp, numbers and padding.

    Padding, also that after the end, is left out because a sender may not clear it.
    """

    def __init__(self) -> None:
        self._mask = bytearray(b"\xff" * _BODY)
        self._learnt = -1, 0, 0

    def skip(self, size: int, step: int) -> int:
        """Take in `size` bytes that change, aligned to `step`; gives their place in the message."""
        place = _BODY + _up(len(self._mask) - _BODY, step)
        self._mask += bytes(place + size - len(self._mask))
        return place

    def keep(self, size: int, step: int) -> None:
        """Take in bytes that stay."""
        place = self.skip(size, step)
        self._mask[place:] = b"\xff" * size

    def text(self, text: str) -> None:
        """Take in a string: length, characters, zero."""
        self.keep(4, 4)
        self.keep(len(text.encode()) + 1, 1)

    def numbers(self, count: int) -> tuple[int, int]:
        """Take in a sequence of doubles; gives place and count."""
        self.keep(4, 4)
        return (self.skip(8 * count, 8) if count else len(self._mask)), count

    def learn(self, raw: bytes) -> None:
        """Let `fits` know the messages that are like this one."""
        mask = int.from_bytes(self._mask, "little")
        self._learnt = len(raw), mask, int.from_bytes(raw, "little") & mask

    def fits(self, raw: bytes) -> bool:
        """Whether a message has this layout."""
        size, mask, alike = self._learnt
        return len(raw) == size and int.from_bytes(raw, "little") & mask == alike


class JointStateDecoder:
    """Bytes to JointNumbers, one decoder a sender; `general` decodes a sensor_msgs/JointState."""

    def __init__(self, general: General) -> None:
        self._general = general
        self._layout = _Layout()

    def __call__(self, raw: bytes) -> JointNumbers:
        """Raises what the general decoder does for bytes that are no JointState."""
        return self._read(raw) if self._layout.fits(raw) else self._learn(raw)

    def _read(self, raw: bytes) -> JointNumbers:
        stamp = Stamp(*_STAMP.unpack_from(raw, _BODY))
        (position_at, positions), (velocity_at, velocities), (effort_at, efforts) = self._places
        return JointNumbers(
            Header(stamp, self._frame),
            self._names,
            np.frombuffer(raw, _DOUBLE, positions, position_at),
            np.frombuffer(raw, _DOUBLE, velocities, velocity_at),
            np.frombuffer(raw, _DOUBLE, efforts, effort_at),
        )

    def _learn(self, raw: bytes) -> JointNumbers:
        message = self._general(raw)
        stamp, lists = message.header.stamp, (message.position, message.velocity, message.effort)
        slow = JointNumbers(
            Header(Stamp(stamp.sec, stamp.nanosec), message.header.frame_id), message.name, *map(np.array, lists)
        )
        layout = self._layout = _Layout()
        self._frame, self._names = slow.header.frame_id, slow.name
        layout.skip(_STAMP.size, 4)
        layout.text(self._frame)
        layout.keep(4, 4)
        for name in self._names:
            layout.text(name)
        self._places = [layout.numbers(len(values)) for values in lists]
        layout.learn(raw)
        # Trusted only if it reads this very message as the general decoder does. Another byte order never is.
        if not layout.fits(raw) or not _alike(self._read(raw)[2:], slow[2:]) or self._read(raw).header != slow.header:
            self._layout = _Layout()
        return slow


class NumbersDecoder:
    """Bytes to Numbers, one decoder a sender; `general` decodes a std_msgs/Float64MultiArray."""

    def __init__(self, general: General) -> None:
        self._general = general
        self._layout = _Layout()

    def __call__(self, raw: bytes) -> Numbers:
        """Raises what the general decoder does for bytes that are no Float64MultiArray."""
        return self._read(raw) if self._layout.fits(raw) else self._learn(raw)

    def _read(self, raw: bytes) -> Numbers:
        place, count = self._place
        return Numbers(self._dimensions, np.frombuffer(raw, _DOUBLE, count, place))

    def _learn(self, raw: bytes) -> Numbers:
        message = self._general(raw)
        slow = Numbers(message.layout, np.array(message.data))
        layout, self._dimensions = _Layout(), message.layout
        layout.keep(4, 4)
        for dimension in message.layout.dim:
            layout.text(dimension.label)
            layout.keep(8, 4)
        layout.keep(4, 4)
        self._place = layout.numbers(len(slow.data))
        layout.learn(raw)
        trusted = layout.fits(raw) and _alike(self._read(raw)[1:], slow[1:])
        self._layout = layout if trusted else _Layout()
        return slow


def _up(offset: int, step: int) -> int:
    """The next multiple of `step`."""
    return -(-offset // step) * step


def _alike(ours: Iterable[NDArray], theirs: Iterable[NDArray]) -> bool:
    return all(a.tobytes() == b.tobytes() for a, b in zip(ours, theirs, strict=True))
