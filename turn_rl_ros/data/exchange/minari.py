"""Minari (Farama Foundation): a folder `data/` with metadata.json and one HDF5 group an episode, n + 1 observations."""

import json
import os
import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from turn_rl_ros.core.spec import Box, Discrete, TaskSpec
from turn_rl_ros.data.exchange import checks, hdf5
from turn_rl_ros.data.exchange.checks import ExchangeError
from turn_rl_ros.data.exchange.experience import Experience, Origin
from turn_rl_ros.data.exchange.pieces import Pieces, in_order
from turn_rl_ros.data.exchange.text import parse, read_json

VERSION = "0.5.0"
"""Version of the layout; every later 0.5 opens it."""
NAME = re.compile(r"[\w-]+-v\d+")


def read(path: Path) -> Experience:
    """A Minari dataset that is kept as HDF5, named by its folder. Raises ExchangeError."""
    folder = path if (path / "metadata.json").is_file() else path / "data"
    metadata = read_json(folder / "metadata.json")
    kept_as = metadata.get("data_format", "hdf5")
    if kept_as != "hdf5":
        raise ExchangeError(f"{path.name} keeps its episodes as {kept_as!r}; only 'hdf5' can be read")
    space = parse(metadata.get("action_space", "{}"), "action_space of metadata.json")
    first_action = space.get("start", 0) if space.get("type") == "Discrete" else 0
    pieces, parts = Pieces(), {}
    with hdf5.opened(folder / "main_data.hdf5") as file:
        for name in in_order(file, "episode_"):
            group = hdf5.subgroup(file, name)
            parts = hdf5.observations(group, "observations")
            pieces.framed(
                name,
                hdf5.side_by_side(parts),
                checks.actions(f"{name}/actions", hdf5.array(group, "actions") - first_action),
                checks.numbers(f"{name}/rewards", hdf5.array(group, "rewards")),
                checks.flags(f"{name}/terminations", hdf5.array(group, "terminations")),
                checks.flags(f"{name}/truncations", hdf5.array(group, "truncations")),
            )
    return pieces.join(_origin(metadata, space, hdf5.names(parts)))


def write(data: Experience, spec: TaskSpec, path: Path, final: Path) -> None:
    """A folder that `minari.load_dataset` opens, and lists, where it lies among Minari's own.

    Raises:
        ExchangeError: the name has no version. OSError.
    """
    name = _dataset_id(final)
    folder = path / "data"
    folder.mkdir(parents=True)
    with h5py.File(folder / "main_data.hdf5", "w", track_order=True) as file:
        for number, rows in enumerate(data.episodes()):
            group = file.create_group(f"episode_{number}")
            group.attrs.update(id=number, total_steps=rows.stop - rows.start)
            group["observations"], group["actions"] = data.framed(rows), data.actions[rows]
            group["rewards"] = data.rewards[rows]
            group["terminations"], group["truncations"] = data.terminals[rows], data.timeouts[rows]
    metadata = {
        "dataset_id": name,
        "minari_version": VERSION,
        "data_format": "hdf5",
        "jpeg_encoding": False,
        "total_episodes": len(data.stops),
        "total_steps": len(data),
        "observation_space": json.dumps(_space(spec.observation)),
        "action_space": json.dumps(_space(spec.action)),
        "task_spec": spec.to_json(),
    }
    (folder / "metadata.json").write_text(json.dumps(metadata), encoding="utf-8")


def _dataset_id(final: Path) -> str:
    """The path below Minari's folder, or the last name where it lies elsewhere."""
    if not NAME.fullmatch(final.name):
        raise ExchangeError(f"Minari wants a name that ends in a version, such as {final.name}-v0, not {final.name}")
    root = Path(os.environ.get("MINARI_DATASETS_PATH", "~/.minari/datasets")).expanduser().absolute()
    final = final.absolute()
    return final.relative_to(root).as_posix() if final.is_relative_to(root) else final.name


def _space(of: Box | Discrete) -> dict[str, Any]:
    if isinstance(of, Discrete):
        return {"type": "Discrete", "dtype": "int64", "start": 0, "n": of.size}
    return {"type": "Box", "dtype": "float32", "shape": [of.size], "low": list(of.low), "high": list(of.high)}


def _origin(metadata: dict[str, Any], space: dict[str, Any], names: tuple[str, ...]) -> Origin:
    ours = Origin.told(metadata.get("task_spec"))
    if ours != Origin():
        return ours
    bounds: dict[str, Any] = {}
    if space.get("type") == "Box":
        bounds = {
            f"action_{end}": tuple(np.ravel(space.get(end, ())).astype(float).tolist()) for end in ("low", "high")
        }
    return Origin(robot=str(metadata.get("dataset_id", ""))[:200], observation_names=names, **bounds)
