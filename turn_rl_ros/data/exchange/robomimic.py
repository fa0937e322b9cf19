"""robomimic (Mandlekar et al. 2021): HDF5 with a group `data/demo_N` an episode, observations by name below `obs/`."""

import json
from pathlib import Path

import h5py
import numpy as np

from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.data.exchange import checks, hdf5
from turn_rl_ros.data.exchange.experience import Experience, Origin
from turn_rl_ros.data.exchange.pieces import Pieces, in_order
from turn_rl_ros.data.exchange.text import parse

OBSERVATION = "flat"
"""Name of a whole observation in robomimic's own Gym environments."""
GYM = 2
"""robomimic's number for that kind of environment."""


def read(path: Path) -> Experience:
    """A robomimic file; images are left out, other observations put side by side. Raises ExchangeError.

    `dones` is what robomimic's learners take it for: a row from which nothing is bootstrapped.
    """
    pieces, parts = Pieces(), {}
    with hdf5.opened(path) as file:
        data = hdf5.subgroup(file, "data")
        for name in in_order(data, "demo_"):
            demo = hdf5.subgroup(data, name)
            parts = hdf5.observations(demo, "obs")
            following = hdf5.side_by_side(hdf5.observations(demo, "next_obs")) if hdf5.has(demo, "next_obs") else None
            done = checks.flags(f"{name}/dones", hdf5.array(demo, "dones"))
            pieces.add(
                name,
                hdf5.side_by_side(parts),
                checks.actions(f"{name}/actions", hdf5.array(demo, "actions")),
                checks.numbers(f"{name}/rewards", hdf5.array(demo, "rewards")),
                done,
                np.zeros_like(done),
                following,
            )
        return pieces.join(_origin(data, hdf5.names(parts)))


def write(data: Experience, spec: TaskSpec, path: Path, final: Path) -> None:
    """A file for robomimic's `SequenceDataset`, one low-dimensional observation named `flat`. Raises OSError."""
    environment = {"env_name": spec.robot, "type": GYM, "env_kwargs": {"control_freq": spec.rate_hz}}
    with h5py.File(path, "w") as file:
        group = file.create_group("data")
        group.attrs.update(total=len(data), env_args=json.dumps(environment), task_spec=spec.to_json())
        for number, rows in enumerate(data.episodes()):
            demo = group.create_group(f"demo_{number}")
            demo.attrs["num_samples"] = rows.stop - rows.start
            demo[f"obs/{OBSERVATION}"] = data.observations[rows]
            demo[f"next_obs/{OBSERVATION}"] = data.next_observations[rows]
            demo["actions"] = data.actions[rows].reshape(rows.stop - rows.start, -1)
            demo["rewards"] = data.rewards[rows]
            demo["dones"] = data.terminals[rows].astype("i8")


def _origin(data: h5py.Group, names: tuple[str, ...]) -> Origin:
    ours = Origin.told(data.attrs.get("task_spec"))
    if ours != Origin():
        return ours
    text = data.attrs.get("env_args", "{}")
    environment = parse(text, "data.env_args") if isinstance(text, str | bytes) else {}
    settings = environment.get("env_kwargs")
    rate = settings.get("control_freq") if isinstance(settings, dict) else None
    return Origin(
        robot=str(environment.get("env_name", ""))[:200],
        rate_hz=float(rate) if isinstance(rate, int | float) else None,
        observation_names=names,
    )
