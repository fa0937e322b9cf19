"""What was recorded, as it came: joint states and executed commands in the order of time, one window after another."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.decision import NO_EPISODE, Decision
from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.data.errors import DatasetError
from turn_rl_ros.data.manifest import sealed_files
from turn_rl_ros.data.schema import FACTS
from turn_rl_ros.data.sealed import SUFFIX, read_info, read_rows

Array = NDArray[np.float64]

_NUMBERS = ("episode", "step", "behaviour", "intervention")


class Moment(NamedTuple):
    """A joint state, (n_joints,) each, and the command that was executed on it; a hold where none is recorded."""

    stamp_ns: int
    position: Array
    velocity: Array
    decision: Decision


@dataclass(frozen=True)
class Window:
    """Rows (n,) of `schema.row_dtype`, n > 0, in the order of time, and what the session said about itself."""

    name: str
    spec: TaskSpec
    rows: NDArray
    facts: dict[str, Any] = field(default_factory=lambda: dict(FACTS))

    @property
    def first_ns(self) -> int:
        """Stamp of the first state."""
        return int(self.rows["stamp_ns"][0])

    @property
    def until_ns(self) -> int:
        """Stamp of the last state."""
        return int(self.rows["next_stamp_ns"][-1])

    def since(self, stamp_ns: int) -> "Window | None":
        """What is left from `stamp_ns` on, if anything."""
        return self._cut(self.rows["stamp_ns"] >= stamp_ns)

    def until(self, stamp_ns: int) -> "Window | None":
        """What had ended by `stamp_ns`, if anything."""
        return self._cut(self.rows["next_stamp_ns"] <= stamp_ns)

    def _cut(self, kept: NDArray[np.bool_]) -> "Window | None":
        if kept.all():
            return self
        if not kept.any():
            return None
        part = replace(self, rows=self.rows[kept])
        return replace(part, facts={**self.facts, "window_used_s": (part.until_ns - part.first_ns) / 1e9})

    def moments(self) -> Iterator[Moment]:
        """Every state once; `core.assembler.Assembler` makes the same rows of them again.

        A hold answers each state after which no row follows, as it did when the window ended: so a row ends at the
        state that it ended at, and nothing is chained across a gap.
        """
        rows, velocity = self.rows, self.spec.command_interface == "velocity"
        follows = np.append(rows["next_stamp_ns"][:-1] == rows["stamp_ns"][1:], False)
        for row, goes_on in zip(rows, follows, strict=True):
            stamp_ns, next_ns = int(row["stamp_ns"]), int(row["next_stamp_ns"])
            episode, step, behaviour, intervention = (int(row[name]) for name in _NUMBERS)
            decision = Decision(stamp_ns, episode, step, behaviour, row["goal"], row["command"], intervention)
            yield Moment(stamp_ns, row["joint_position"], row["joint_velocity"], decision)
            if not goes_on:
                position = row["next_joint_position"]
                still = np.zeros_like(position) if velocity else position
                hold = Decision(next_ns, NO_EPISODE, 0, 0, row["goal"], still)
                yield Moment(next_ns, position, row["next_joint_velocity"], hold)


def windows(source: Path, spec: TaskSpec, mapping: str = "") -> Iterator[Window]:
    """What a session file, a directory of sessions, a run directory or a bag holds, one window in memory at a time.

    Args:
        source: of these, whichever it is.
        spec: the task that must be the recorded one; for a bag, the task whose rows are made of it.
        mapping: file that says what is what in a bag (`data.bags.mapping`).

    Raises:
        TurnRlError: there is nothing to replay, it is of another task, or damaged; while iterating.
    """
    files = [source] if source.suffix == SUFFIX else sealed_files(_sessions_in(source))
    found = (_of_session(file, spec) for file in files) if files else _of_bag(source, spec, mapping)
    return (_in_order(window) for window in found if len(window.rows))


def skip(windows: Iterable[Window], seconds: float) -> Iterator[Window]:
    """Leave out the first `seconds` of recorded time; pauses between windows do not count."""
    left_ns = round(seconds * 1e9)
    for window in windows:
        length_ns = window.until_ns - window.first_ns
        if left_ns < length_ns:
            part = window.since(window.first_ns + left_ns)
            if part is not None:
                yield part
        left_ns = max(0, left_ns - length_ns)


def _sessions_in(source: Path) -> Path:
    return source / "sessions" if (source / "sessions").is_dir() else source


def _of_session(path: Path, spec: TaskSpec) -> Window:
    info = read_info(path)
    spec.require_same(info.spec, path.name)
    return Window(path.name, spec, read_rows(info), dict(info.facts))


def _of_bag(source: Path, spec: TaskSpec, mapping: str) -> Iterator[Window]:
    if not source.exists():
        raise DatasetError(f"{source} does not exist; give a session file, a directory of sessions, or a bag")
    if not mapping:
        raise DatasetError(f"{source} has no sealed session; if it is a bag, give its mapping (`turn-rl bag mapping`)")
    try:  # an optional extra
        from turn_rl_ros.data.bags.convert import read_sessions
        from turn_rl_ros.data.bags.mapping import read_mapping
    except ImportError as error:
        raise DatasetError("bags are read with rosbags: pip install 'turn_rl_ros[bags]'") from error
    rules = read_mapping(Path(mapping).expanduser())
    if rules.rate_hz not in (0.0, spec.rate_hz):
        raise ConfigError(f"{mapping} has rate_hz {rules.rate_hz:g}, the task {spec.rate_hz:g}: set task.rate_hz to it")
    for number, rows in enumerate(read_sessions(source, spec, rules)):
        facts = {**FACTS, "window_used_s": len(rows) * spec.period_s, "stop_reason": "bag"}
        yield Window(f"{source.name}, part {number}", spec, rows, facts)


def _in_order(window: Window) -> Window:
    """The window, if time runs forward in it and no instant has two states. Raises DatasetError."""
    rows = window.rows
    begins, ends = rows["stamp_ns"], rows["next_stamp_ns"]
    same = ends[:-1] == begins[1:]
    jumps = (rows["next_joint_position"][:-1] != rows["joint_position"][1:]).any(axis=1)
    if (begins >= ends).any() or (begins[1:] < ends[:-1]).any() or (same & jumps).any():
        raise DatasetError(
            f"{window.name} cannot be replayed: its rows do not follow each other in time, as copies with goals in "
            "hindsight and data without stamps do not"
        )
    return window
