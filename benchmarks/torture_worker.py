"""What dies in the torture test: a sender whose every row is a function of its number, run in forked children."""

import os
import struct
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.spec import Box, TaskSpec
from turn_rl_ros.core.task import make_spec
from turn_rl_ros.core.transition import Transition
from turn_rl_ros.data.dataset import load_dataset
from turn_rl_ros.data.errors import DatasetError
from turn_rl_ros.data.schema import row_dtype, to_row, vector_shapes
from turn_rl_ros.data.session import SessionWriter

EPISODE_STEPS = 25
LOG_ENTRY = struct.Struct("<qd")
"""Row number and steady time in seconds at which the sender handed it over."""


def torture_spec() -> TaskSpec:
    """A task with vector actions that needs no simulator: the grid's gantry, driven by speeds."""
    speeds = Box(("row", "column"), ("m/s", "m/s"), (-1.0, -1.0), (1.0, 1.0))
    return replace(make_spec({"kind": "gridworld"}), action=speeds)


def transition(number: int, spec: TaskSpec) -> Transition:
    """Row `number`: no two rows agree in any vector."""
    base = number * 1e-3
    observation = np.arange(spec.observation.size, dtype=np.float32) + np.float32(base)
    joints = np.arange(len(spec.joint_names)) * 0.5 + base
    episode, step = divmod(number, EPISODE_STEPS)
    return Transition(
        observation=observation,
        action=np.full(spec.action.size, np.sin(number), np.float32),
        reward=-base,
        next_observation=observation + np.float32(1e-3),
        terminated=step == EPISODE_STEPS - 1 and episode % 3 == 0,
        truncated=step == EPISODE_STEPS - 1 and episode % 3 != 0,
        joint_position=joints,
        joint_velocity=joints + 1,
        next_joint_position=joints + 2,
        next_joint_velocity=joints + 3,
        goal=np.array([base, -base, 0.0]),
        stamp_ns=number * 2_000_000,
        next_stamp_ns=(number + 1) * 2_000_000,
        episode=episode,
        step=step,
        behaviour=number % 5,
        intervention=number % 7,
        command=joints + 4,
    )


def expected_rows(numbers: NDArray[np.int64], spec: TaskSpec) -> NDArray:
    """Rows that the sender made, as records, (n,); with what sealing adds: the last row of a cut is a time-out."""
    dtype = row_dtype(spec)
    rows = np.empty(len(numbers), dtype)
    for index, number in enumerate(numbers.tolist()):
        rows[index] = to_row(transition(number, spec), vector_shapes(dtype))
    for index in range(len(rows)):
        last = index == len(rows) - 1 or numbers[index + 1] != numbers[index] + 1
        rows["timeouts"][index] |= last and not rows["terminals"][index]
    return rows


def send(writer: SessionWriter, spec: TaskSpec, numbers: list[int], log: int, pause_s: float) -> None:
    """Append row after row; the log gets a row's number before the writer gets the row."""
    for number in numbers:
        row = transition(number, spec)
        os.write(log, LOG_ENTRY.pack(number, time.monotonic()))
        writer.append(row)
        if pause_s:
            time.sleep(pause_s)


def read_log(path: Path) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Numbers and times of every row the sender handed over."""
    data = path.read_bytes() if path.exists() else b""
    entries = list(LOG_ENTRY.iter_unpack(data[: len(data) // LOG_ENTRY.size * LOG_ENTRY.size]))
    return np.array([n for n, _ in entries], np.int64), np.array([t for _, t in entries], np.float64)


def fork(work: Callable[[], None]) -> int:
    """Run `work` in a forked child and give its process id; exit code 0 when it returns, 3 when it raises."""
    pid = os.fork()
    if pid:
        return pid
    code = 3
    try:
        work()
        code = 0
    finally:
        os._exit(code)  # no clean-up of the parent's things in the child


def read_for_ever(directory: Path) -> None:
    """Load the dataset again and again, as a trainer does; any unreadable session ends the process with code 3."""
    while True:
        try:
            load_dataset(directory)
        except DatasetError as error:
            if "no session with a row" not in str(error):
                raise
        time.sleep(0.01)
