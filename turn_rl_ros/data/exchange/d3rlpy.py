"""d3rlpy 2 (Seno and Imai 2022): what `ReplayBuffer.dump` writes, `observations_N` and so on for each episode N.

d3rlpy has no next observations: a step's is the next step's, and the last step of an episode that did not terminate is
no transition. So such an episode gets a closing step with its last observation, which reading takes away again.
"""

from pathlib import Path

import h5py
import numpy as np

from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.data.exchange import checks, hdf5
from turn_rl_ros.data.exchange.checks import ExchangeError
from turn_rl_ros.data.exchange.experience import Experience, Origin
from turn_rl_ros.data.exchange.pieces import Pieces, in_order

VERSION = "2.1"
"""d3rlpy's `DATASET_VERSION`."""
COLUMNS = ("observations", "actions", "rewards", "terminated")


def read(path: Path) -> Experience:
    """A dumped buffer of vector observations. Raises ExchangeError."""
    pieces = Pieces()
    with hdf5.opened(path) as file:
        for name in in_order(file, "actions_"):
            number = name.removeprefix("actions_")
            if hdf5.has(file, f"observations_{number}_0"):
                raise ExchangeError(f"observations_{number} is a tuple of several; only one vector a step can be read")
            rewards = checks.numbers(f"rewards_{number}", hdf5.array(file, f"rewards_{number}"))
            terminals = np.zeros(len(rewards), dtype=bool)
            ends = hdf5.array(file, f"terminated_{number}").reshape(-1)
            terminals[-1] = checks.flags(f"terminated_{number}", ends).any()
            pieces.add(
                f"episode {number}",
                checks.table(f"observations_{number}", hdf5.array(file, f"observations_{number}")),
                checks.actions(name, hdf5.array(file, name)),
                rewards,
                terminals,
                np.zeros_like(terminals),
            )
        return pieces.join(Origin.told(file.attrs.get("task_spec")))


def write(data: Experience, spec: TaskSpec, path: Path, final: Path) -> None:
    """A file for `ReplayBuffer.load`. Raises OSError."""
    with h5py.File(path, "w") as file:
        file.attrs["task_spec"] = spec.to_json()
        file["columns"], file["num_episodes"], file["version"] = list(COLUMNS), len(data.stops), VERSION
        for number, rows in enumerate(data.episodes()):
            observations = data.observations[rows]
            actions = data.actions[rows].reshape(rows.stop - rows.start, -1)
            rewards = data.rewards[rows, None]
            ended = bool(data.terminals[rows.stop - 1])
            if not ended:
                observations, actions = data.framed(rows), np.concatenate([actions, actions[-1:]])
                rewards = np.concatenate([rewards, np.zeros_like(rewards[-1:])])
            for key, values in zip(COLUMNS, (observations, actions, rewards, ended), strict=True):
                file[f"{key}_{number}"] = values
