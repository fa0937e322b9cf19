"""The session file: column names, types and attributes (DESIGN.md section 4).

Root names are those of D4RL (Fu et al. 2020), so that loaders which read D4RL files read these; the raw state behind
them lies in `infos/`. Angles in rad, lengths in m, stamps in ns of the clock that the attribute `clock_source` names.
"""

import json
import math
from collections.abc import Mapping
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.task import make_task
from turn_rl_ros.core.transition import Transition
from turn_rl_ros.data.errors import SessionError

SCHEMA_VERSION = 1

ROOT = {
    "observations": "observation",
    "actions": "action",
    "rewards": "reward",
    "next_observations": "next_observation",
    "terminals": "terminated",
    "timeouts": "truncated",
}
"""Root dataset -> field of `Transition`."""

INFOS = (
    "joint_position",
    "joint_velocity",
    "next_joint_position",
    "next_joint_velocity",
    "goal",
    "stamp_ns",
    "next_stamp_ns",
    "episode",
    "step",
    "behaviour",
    "intervention",
    "command",
)
"""Datasets of the group `infos/`, named as the fields of `Transition`."""

FACTS: dict[str, Any] = {
    "schema_version": SCHEMA_VERSION,
    "session_id": "",
    "task_spec": "",
    "fingerprint": "",
    "software_version": "",
    "created_utc": "",
    "host": "",
    "clock_source": "",
    "turn": -1,
    "policy_sha256": "",
    "policy_turn": -1,
    "robot_description_sha256": "",
    "window_asked_s": math.nan,
    "window_used_s": math.nan,
    "stop_reason": "",
    "recovered": False,
    "cut_episodes": 0,
    "backlog_rows": 0,
    "drops": {},
    "wear": {},
    "parameters": {},
}
"""Attributes of a session file and what each reads as when nobody told it; dicts are stored as JSON."""

VECTORS = ("observation", "action", "next_observation", *INFOS[:5], "command")
"""Fields of `Transition` that are arrays."""

_values = attrgetter(*ROOT.values(), *INFOS)
_vector_shapes = attrgetter(*(f"{name}.shape" for name in VECTORS))


def dataset_path(column: str) -> str:
    """Where a column lies in the file: `observations` at the root, `infos/goal` below."""
    return column if column in ROOT else f"infos/{column}"


def row_dtype(spec: TaskSpec) -> np.dtype:
    """One transition as a packed record; fields are the columns of the file, in order."""
    joints, goal = len(spec.joint_names), goal_size(spec)
    observation, action = spec.observation.size, () if spec.discrete else (spec.action.size,)
    return np.dtype(
        [
            ("observations", "<f4", (observation,)),
            ("actions", "<i8" if spec.discrete else "<f4", action),
            ("rewards", "<f4"),
            ("next_observations", "<f4", (observation,)),
            ("terminals", "?"),
            ("timeouts", "?"),
            ("joint_position", "<f8", (joints,)),
            ("joint_velocity", "<f8", (joints,)),
            ("next_joint_position", "<f8", (joints,)),
            ("next_joint_velocity", "<f8", (joints,)),
            ("goal", "<f8", (goal,)),
            ("stamp_ns", "<i8"),
            ("next_stamp_ns", "<i8"),
            ("episode", "<i8"),
            ("step", "<i8"),
            ("behaviour", "<i4"),
            ("intervention", "<i4"),
            ("command", "<f8", (joints,)),
        ]
    )


def goal_size(spec: TaskSpec) -> int:
    """Length of a goal vector of this task."""
    task = make_task(spec)
    return int(np.shape(task.achieved_goal(np.asarray(task.home, dtype=np.float64)))[-1])


def vector_shapes(dtype: np.dtype) -> tuple[tuple[int, ...], ...]:
    """Shapes that a transition's `VECTORS` must have to fit `dtype`."""
    columns = dict(zip((*ROOT.values(), *INFOS), dtype.names or (), strict=True))
    return tuple(dtype[columns[name]].shape for name in VECTORS)


def to_row(transition: Transition, shapes: tuple[tuple[int, ...], ...]) -> tuple[Any, ...]:
    """Take the values of one record, every shape checked: NumPy would stretch a short vector silently.

    A command that nobody recorded is NaN, not zero. `shapes` come from `vector_shapes`.

    Raises:
        SessionError: a field has another shape than the task's; names the field.
    """
    values: tuple[Any, ...] = _values(transition)
    try:
        if _vector_shapes(transition) == shapes:
            return values
    except AttributeError:
        pass  # a plain number where NumPy's would do, such as a discrete action; looked at below
    for name, shape in zip(VECTORS, shapes, strict=True):
        value = getattr(transition, name)
        if name == "command" and np.size(value) == 0:
            values = (*values[:-1], np.full(shape, np.nan))
        elif np.shape(value) != shape:
            raise SessionError(f"{name} has shape {np.shape(value)} in a transition, the task needs {shape}")
    return values


def check_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """`facts` as a dict; raises SessionError for a name that `FACTS` does not have, or a value of another kind."""
    for name, value in facts.items():
        if name not in FACTS:
            raise SessionError(f"a session has no attribute {name!r}; known: {', '.join(FACTS)}")
        kind = type(FACTS[name])
        if not isinstance(value, (int, float) if kind is float else Mapping if kind is dict else kind):
            raise SessionError(f"session attribute {name} must be of type {kind.__name__}, not {value!r}")
        try:
            json.dumps(value)
        except (TypeError, ValueError) as error:
            raise SessionError(f"session attribute {name} cannot be written as JSON: {error}") from error
    return dict(facts)


def mark_cuts(rows: Mapping[str, NDArray]) -> NDArray[np.bool_]:
    """Rows after which the recording, not the task, broke the episode off: (n,) bool.

    That is the last row, and every row that the next one does not continue (another episode, or a step was dropped
    in between), unless the row ends its episode itself. Such a row is a truncation: nothing may be bootstrapped or
    chained across it.
    """
    count = len(rows["step"])
    cut = np.ones(count, dtype=bool)
    if count:
        episode, step = rows["episode"], rows["step"]
        cut[:-1] = (episode[1:] != episode[:-1]) | (step[1:] != step[:-1] + 1)
    return cut & ~(rows["terminals"] | rows["timeouts"])
