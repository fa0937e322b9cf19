"""D4RL (Fu et al. 2020): one flat HDF5 file with a row a step; our own session files are a case of it."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.data.exchange import checks, hdf5
from turn_rl_ros.data.exchange.experience import Experience, Origin, join
from turn_rl_ros.data.schema import ROOT


def read(path: Path) -> Experience:
    """A D4RL file, with or without `timeouts` and `next_observations`. Raises ExchangeError.

    Without `timeouts`, an episode ends where `terminals` says so, and where `next_observations`, if there are any, do
    not continue.
    """
    notes = []
    with hdf5.opened(path) as file:
        columns: dict[str, Any] = {
            "observations": checks.table("observations", hdf5.array(file, "observations")),
            "actions": checks.actions("actions", hdf5.array(file, "actions")),
            "rewards": checks.numbers("rewards", hdf5.array(file, "rewards")),
            "terminals": checks.flags("terminals", hdf5.array(file, "terminals")),
        }
        columns["timeouts"] = np.zeros(len(columns["terminals"]), dtype=bool)
        by_rows = hdf5.has(file, "next_observations")
        if hdf5.has(file, "timeouts"):
            columns["timeouts"] = checks.flags("timeouts", hdf5.array(file, "timeouts"))
        else:
            how = "terminals and gaps in next_observations" if by_rows else "terminals alone"
            notes.append(f"there are no timeouts: episode ends are taken from {how}")
        if by_rows:
            columns["next_observations"] = checks.table("next_observations", hdf5.array(file, "next_observations"))
        return join(**columns, origin=Origin.told(file.attrs.get("task_spec")), notes=notes)


def write(data: Experience, spec: TaskSpec, path: Path, final: Path) -> None:
    """The whole dataset as one flat file, the raw state of its rows in `infos/`. Raises OSError."""
    with h5py.File(path, "w") as file:
        file.attrs["task_spec"] = spec.to_json()
        for name in ROOT:
            file.create_dataset(name, data=getattr(data, name), compression="gzip", compression_opts=1)
        for name, values in data.infos.items():
            file.create_dataset(f"infos/{name}", data=values, compression="gzip", compression_opts=1)
