"""The session file: column names, types and attributes (DESIGN.md section 4).

Root names are those of D4RL (Fu et al. 2020), so that loaders which read D4RL files read these; the raw state behind
them lies in `infos/`. Angles in rad, lengths in m, stamps in ns of the clock that the attribute `clock_source` names.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.task import make_task
from turn_rl_ros.data.errors import SessionError

SCHEMA_VERSION = 1

VECTORS = {
    "observations": "observation",
    "actions": "action",
    "next_observations": "next_observation",
    "joint_position": "joint_position",
    "joint_velocity": "joint_velocity",
    "next_joint_position": "next_joint_position",
    "next_joint_velocity": "next_joint_velocity",
    "goal": "goal",
    "command": "command",
}
"""Column -> field of `Transition`, for those with one array a row."""

SCALARS = {
    "rewards": "reward",
    "terminals": "terminated",
    "timeouts": "truncated",
    "stamp_ns": "stamp_ns",
    "next_stamp_ns": "next_stamp_ns",
    "episode": "episode",
    "step": "step",
    "behaviour": "behaviour",
    "intervention": "intervention",
}
"""Column -> field of `Transition`, for those with one number a row."""

ROOT = ("observations", "actions", "rewards", "next_observations", "terminals", "timeouts")
"""Columns that lie at the root of the file; the others lie in `infos/`."""

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
    "dry_run": False,
    "drops": {},
    "wear": {},
    "parameters": {},
    "derived_from": {},
}
"""Attributes of a session file and what each reads as when nobody told it; dicts are stored as JSON.

`derived_from` is empty for what a robot or a simulator did; otherwise it names the file behind the rows, its sha256,
and what was done to them.
"""


def dataset_path(column: str) -> str:
    """Where a column lies in the file: `observations` at the root, `infos/goal` below."""
    return column if column in ROOT else f"infos/{column}"


def row_dtype(spec: TaskSpec) -> np.dtype:
    """One transition as a packed record: the columns of the file, vectors first, numbers after them."""
    n, observation = len(spec.joint_names), spec.observation.size
    shapes = {"observations": observation, "next_observations": observation, "goal": goal_size(spec)}
    fields: list[tuple[Any, ...]] = []
    for name in VECTORS:
        if name == "actions":
            fields.append((name, "<i8", ()) if spec.discrete else (name, "<f4", (spec.action.size,)))
        else:
            fields.append((name, "<f4" if name.endswith("observations") else "<f8", (shapes.get(name, n),)))
    kinds = {"rewards": "<f4", "terminals": "?", "timeouts": "?", "behaviour": "<i4", "intervention": "<i4"}
    return np.dtype(fields + [(name, kinds.get(name, "<i8")) for name in SCALARS])


def goal_size(spec: TaskSpec) -> int:
    """Length of a goal vector of this task."""
    task = make_task(spec)
    return int(np.shape(task.achieved_goal(np.asarray(task.home, dtype=np.float64)))[-1])


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
