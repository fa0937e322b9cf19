"""LeRobot v3.0 (Hugging Face): a folder with meta/info.json and Parquet tables, a frame a row. Needs pyarrow."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.data.exchange import checks
from turn_rl_ros.data.exchange.checks import ExchangeError
from turn_rl_ros.data.exchange.experience import Experience, Origin, join
from turn_rl_ros.data.exchange.parquet import read_columns, require_pyarrow, write_indexed, write_table
from turn_rl_ros.data.exchange.text import read_json

STATE, STATES = "observation.state", ("observation.state", "observation.environment_state")
NEXT = "next.observation.state"
"""Not one of LeRobot's own features: it keeps the last observation of an episode, for which LeRobot has no place."""
DATA, EPISODES = "data/chunk-000/file-000.parquet", "meta/episodes/chunk-000/file-000.parquet"
PLACE = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}


def read(path: Path) -> Experience:
    """A LeRobot v3 folder; cameras are left out. Raises ExchangeError.

    `next.done` without `next.truncated` means terminal. Without `next.observation.state`, the last frame of an episode
    that is not terminal is left out.
    """
    info = read_json(path / "meta" / "info.json")
    version, features = str(info.get("codebase_version", "")), info.get("features")
    if not version.startswith("v3.") or not isinstance(features, dict):
        raise ExchangeError(
            f"{path.name} is LeRobot {version[:20] or 'of no version'}; convert it to v3.0 with LeRobot"
        )
    states = [key for key in STATES if key in features]
    for key in (states[0] if states else STATE, "action", "next.reward", "next.done"):
        if key not in features:
            raise ExchangeError(
                f"the feature {key} is missing in {path.name}; there is {', '.join(list(features)[:12])}"
            )
    files = sorted((path / "data").glob("*/*.parquet"))
    if not files:
        raise ExchangeError(f"{path.name} has no data/*/*.parquet")
    optional = [key for key in (NEXT, "next.truncated") if key in features]
    keys = [*states, "action", "next.reward", "next.done", "episode_index", "frame_index", *optional]
    rows = _in_order(read_columns(files, keys))
    following = checks.table(NEXT, rows[NEXT]) if NEXT in rows else None
    truncated = checks.flags("next.truncated", rows.get("next.truncated", np.zeros(len(rows["action"]), bool)))
    ends = np.append((np.diff(rows["episode_index"]) != 0) | (np.diff(rows["frame_index"]) != 1), True)
    terminals = checks.flags("next.done", rows["next.done"]) & ~truncated
    return join(
        np.concatenate([checks.table(key, rows[key]) for key in states], axis=1),
        checks.actions("action", rows["action"]),
        checks.numbers("next.reward", rows["next.reward"]),
        terminals,
        (ends | truncated) & ~terminals,
        following,
        origin=_origin(info, features, states),
    )


def write(data: Experience, spec: TaskSpec, path: Path, final: Path) -> None:
    """A folder for `LeRobotDataset(repo_id, root=folder)`. Raises ExchangeError without pyarrow, OSError."""
    require_pyarrow()
    frames = _frames(data, spec)
    write_table(path / DATA, frames)
    write_table(path / EPISODES, _episodes(data, spec))
    write_indexed(path / "meta" / "tasks.parquet", [spec.task], "task_index", [0])
    stats = {key: _statistics(values) for key, values in frames.items()}
    for name, content in (("info.json", _info(data, spec, frames)), ("stats.json", stats)):
        (path / "meta" / name).write_text(json.dumps(content, indent=4), encoding="utf-8")


def _frames(data: Experience, spec: TaskSpec) -> dict[str, NDArray]:
    """The main table: a row a frame."""
    lengths = np.diff(data.stops, prepend=0)
    index = np.arange(len(data))
    frame = index - np.repeat(data.stops - lengths, lengths)
    return {
        STATE: data.observations,
        "action": data.actions,
        "next.reward": data.rewards,
        "next.done": data.terminals | data.timeouts,
        "next.truncated": data.timeouts,
        NEXT: data.next_observations,
        "timestamp": (frame / spec.rate_hz).astype(np.float32),
        "frame_index": frame,
        "episode_index": np.repeat(np.arange(len(lengths)), lengths),
        "index": index,
        "task_index": np.zeros_like(index),
    }


def _episodes(data: Experience, spec: TaskSpec) -> dict[str, Any]:
    """The table that says which frames an episode has; all lie in the first file of the first chunk."""
    first = np.zeros_like(data.stops)
    places = {f"{table}/{part}_index": first for table in ("data", "meta/episodes") for part in ("chunk", "file")}
    return {
        "episode_index": np.arange(len(first)),
        "tasks": [[spec.task]] * len(first),
        "length": np.diff(data.stops, prepend=0),
        "dataset_from_index": np.append(0, data.stops[:-1]),
        "dataset_to_index": data.stops,
        **places,
    }


def _info(data: Experience, spec: TaskSpec, frames: dict[str, NDArray]) -> dict[str, Any]:
    names = {STATE: spec.observation.names, NEXT: spec.observation.names}
    names["action"] = ("index",) if data.discrete else spec.action.names
    rate = spec.rate_hz
    return {
        "codebase_version": "v3.0",
        "robot_type": spec.robot,
        "total_episodes": len(data.stops),
        "total_frames": len(data),
        "total_tasks": 1,
        "chunks_size": 1000,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "fps": int(rate) if rate == int(rate) else rate,
        "splits": {"train": f"0:{len(data.stops)}"},
        "data_path": PLACE,
        "video_path": None,
        "features": {key: _feature(values, names.get(key)) for key, values in frames.items()},
        "task_spec": spec.to_json(),
    }


def _in_order(columns: dict[str, NDArray]) -> dict[str, NDArray]:
    """The same rows by episode and frame."""
    for key in ("episode_index", "frame_index"):
        if columns[key].dtype.kind not in "iu" or columns[key].ndim != 1:
            raise ExchangeError(f"{key} has values of type {columns[key].dtype}, not whole numbers")
    order = np.lexsort((columns["frame_index"], columns["episode_index"]))
    return {key: values[order] for key, values in columns.items()}


def _feature(values: NDArray, names: tuple[str, ...] | None) -> dict[str, Any]:
    shape = values.shape[1:] or (1,)
    return {"dtype": str(values.dtype), "shape": list(shape), "names": list(names) if names else None}


def _statistics(values: NDArray) -> dict[str, list[float]]:
    wide = values.reshape(len(values), -1).astype(np.float64)
    found = {"min": wide.min(axis=0), "max": wide.max(axis=0), "mean": wide.mean(axis=0), "std": wide.std(axis=0)}
    found |= dict(zip(QUANTILES, np.quantile(wide, list(QUANTILES.values()), axis=0), strict=True))
    return {**{key: value.tolist() for key, value in found.items()}, "count": [len(wide)]}


def _origin(info: dict[str, Any], features: dict[str, Any], states: list[str]) -> Origin:
    ours = Origin.told(info.get("task_spec"))
    if ours != Origin():
        return ours
    rate = info.get("fps")
    return Origin(
        robot=str(info.get("robot_type") or "")[:200],
        rate_hz=float(rate) if isinstance(rate, int | float) else None,
        observation_names=tuple(name for key in states for name in _names(features[key])),
        action_names=_names(features["action"]),
    )


def _names(feature: Any) -> tuple[str, ...]:
    """Element names of a feature: a list, or lists by kind as in {"motors": [...]}."""
    names = feature.get("names") if isinstance(feature, dict) else None
    if isinstance(names, dict):
        names = [one for group in names.values() if isinstance(group, list) for one in group]
    return tuple(str(one)[:100] for one in names) if isinstance(names, list) else ()
