"""How fast sessions reach the disk, beside a plain file."""

import os
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.transition import Transition
from turn_rl_ros.data.journal import record_dtype
from turn_rl_ros.data.schema import row_dtype
from turn_rl_ros.data.session import CAPACITY, SessionWriter

FLUSH_ROWS = 50


def transition(spec: TaskSpec, rng: np.random.Generator) -> Transition:
    """A row of noise with the shapes and types of the task."""
    joints = len(spec.joint_names)
    observation = rng.normal(size=spec.observation.size).astype(np.float32)
    q, action = rng.normal(size=joints), rng.normal(size=spec.action.size).astype(np.float32)
    return Transition(observation, action, -1.0, observation, False, False, q, q, q, q, q[:3], 1, 2, 0, 0, 0, 0, q)


def callback_cost(spec: TaskSpec, folder: Path, seconds: float) -> NDArray[np.float64]:
    """Seconds that each `append` took at 500 Hz, (n,)."""
    item, costs = transition(spec, np.random.default_rng(0)), []
    with SessionWriter(folder / "callback", spec) as writer:
        due = time.perf_counter()
        for _ in range(int(seconds * 500)):
            due += 0.002
            time.sleep(max(0.0, due - time.perf_counter()))
            start = time.perf_counter()
            writer.append(item)
            costs.append(time.perf_counter() - start)
    return np.array(costs)


def durable_rate(spec: TaskSpec, folder: Path, rows: int) -> float:
    """Rows/s of the session writer with an fsync every 50 rows."""
    item = transition(spec, np.random.default_rng(0))
    with SessionWriter(folder, spec) as writer:
        start = time.perf_counter()
        for number in range(1, rows + 1):
            writer.append(item)
            if number % FLUSH_ROWS == 0:
                writer.flush()
        return rows / (time.perf_counter() - start)


def threaded_rate(spec: TaskSpec, folder: Path, rows: int) -> float:
    """Rows/s, all durable at the end, when the writer's own thread fsyncs, 0.1 s apart."""
    item = transition(spec, np.random.default_rng(0))
    with SessionWriter(folder, spec) as writer:
        start = time.perf_counter()
        for _ in range(rows):
            while writer.backlog > CAPACITY // 2:
                writer.flush()
            writer.append(item)
        writer.flush()
        return rows / (time.perf_counter() - start)


def plain_rate(spec: TaskSpec, folder: Path, rows: int) -> float:
    """Rows/s of a plain file that gets the same bytes with the same fsyncs."""
    block = bytes(FLUSH_ROWS * record_dtype(row_dtype(spec)).itemsize)
    with (folder / "plain").open("wb", buffering=0) as file:
        start = time.perf_counter()
        for _ in range(rows // FLUSH_ROWS):
            file.write(block)
            os.fsync(file.fileno())
        return rows / (time.perf_counter() - start)
