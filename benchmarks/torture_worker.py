"""What dies in the torture test: a sender whose every row is a function of its number, run in forked children."""

import os
import random
import signal
import struct
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.assembler import Assembler
from turn_rl_ros.core.decision import Decision
from turn_rl_ros.core.spec import Box, TaskSpec
from turn_rl_ros.core.task import make_spec
from turn_rl_ros.core.transition import Transition
from turn_rl_ros.data.dataset import load_dataset
from turn_rl_ros.data.errors import DatasetError
from turn_rl_ros.data.schema import SCALARS, VECTORS, row_dtype
from turn_rl_ros.data.session import SessionWriter

EPISODE_STEPS = 25
PERIOD_NS = 2_000_000
LOSSY_PERIOD_NS = 50_000_000
"""Control period of the lossy stream: the task's 20 Hz, as the assembler looks at gaps."""
State = tuple[NDArray[np.float64], NDArray[np.float64], int]
LOG_ENTRY = struct.Struct("<qd")
"""Row number and steady time in seconds at which the sender handed it over."""


def torture_spec() -> TaskSpec:
    """A task with vector actions that needs no simulator: the grid's gantry, driven by speeds."""
    speeds = Box(("row", "column"), ("m/s", "m/s"), (-1.0, -1.0), (1.0, 1.0))
    return replace(make_spec({"kind": "gridworld"}), action=speeds)


def stamp_ns(number: int) -> int:
    """Stamp of row `number`: 500 Hz, with a clock that jumps back 3 s or forward 10 s every 200 rows."""
    jumps = number // 200
    return number * PERIOD_NS + (jumps + 1) // 2 * -3_000_000_000 + jumps // 2 * 10_000_000_000


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
        stamp_ns=stamp_ns(number),
        next_stamp_ns=stamp_ns(number) + PERIOD_NS,
        episode=episode,
        step=step,
        behaviour=number % 5,
        intervention=number % 7,
        command=joints + 4,
    )


def fill(record: NDArray, row: Transition) -> None:
    """Put a transition into a record (1,), field by field: another way than the writer's."""
    for column, field in (VECTORS | SCALARS).items():
        record[column] = getattr(row, field)


def expected_rows(numbers: NDArray[np.int64], spec: TaskSpec) -> NDArray:
    """Rows that the sender made, as records, (n,); with what sealing adds: the last row of a cut is a time-out."""
    dtype = row_dtype(spec)
    rows = np.empty(len(numbers), dtype)
    for index, number in enumerate(numbers.tolist()):
        fill(rows[index : index + 1], transition(number, spec))
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


def send_lossy(writer: SessionWriter, spec: TaskSpec, count: int, log: int, seed: int) -> None:
    """Feed an assembler messages of which 20 % are lost and 20 % come out of order; log each row, record for record."""
    rng = random.Random(seed)
    messages: list[State | Decision] = []
    for number in range(count):
        messages += [state(number), decision(number)]
    messages = [message for message in messages if rng.random() > 0.2]
    for index in range(len(messages) - 3):
        if rng.random() < 0.2:
            other = index + rng.randrange(1, 4)
            messages[index], messages[other] = messages[other], messages[index]
    assembler, dtype = Assembler(spec), row_dtype(spec)
    for message in messages:
        rows = assembler.executed(message) if isinstance(message, Decision) else assembler.state(*message)
        for row in rows:
            record = np.zeros(1, dtype)
            fill(record, row)
            os.write(log, record.tobytes())
            writer.append(row)
        time.sleep(0.0002)


def state(number: int) -> State:
    """What the arm said at tick `number`: joint position, joint velocity, stamp in ns."""
    return np.array([0.2, 0.3]) + number * 1e-4, np.full(2, number * 1e-2), number * LOSSY_PERIOD_NS


def decision(number: int) -> Decision:
    """What the guard sent at tick `number`."""
    episode, step = divmod(number, EPISODE_STEPS)
    command = np.full(2, np.sin(number))
    return Decision(number * LOSSY_PERIOD_NS, episode, step, 0, np.zeros(3), command)


def assembled_rightly(rows: NDArray) -> bool:
    """Whether every row joins the state, the command and the next state of its own tick."""
    for row in rows:
        number = int(row["stamp_ns"]) // LOSSY_PERIOD_NS
        here, there, sent = state(number), state(number + 1), decision(number)
        pairs = [
            (row["joint_position"], here[0]),
            (row["joint_velocity"], here[1]),
            (row["next_joint_position"], there[0]),
            (row["next_joint_velocity"], there[1]),
            (row["command"], sent.command),
            (row["step"], sent.step),
        ]
        if not all(np.array_equal(found, expected) for found, expected in pairs):
            return False
    return True


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
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts background jobs with it ignored
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
