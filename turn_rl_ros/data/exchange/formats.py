"""The formats by name, and which of them a path is."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.data.exchange import d3rlpy, d4rl, hdf5, lerobot, minari, robomimic
from turn_rl_ros.data.exchange.checks import ExchangeError
from turn_rl_ros.data.exchange.experience import Experience


class Format(NamedTuple):
    """How a format is read and written."""

    read: Callable[[Path], Experience]
    """Only ever called in a guarded process: see `guard.read`."""
    write: Callable[[Experience, TaskSpec, Path, Path], None]
    """(data, spec, where to write, the name that it gets in the end)"""


FORMATS = {
    module.__name__.rpartition(".")[2]: Format(module.read, module.write)
    for module in (d4rl, minari, robomimic, lerobot, d3rlpy)
}


def known(kind: str) -> Format:
    """The format of this name. Raises ExchangeError."""
    if kind not in FORMATS:
        raise ExchangeError(f"there is no format {kind!r}; known: {', '.join(FORMATS)}")
    return FORMATS[kind]


def detect(path: Path) -> str:
    """The format of a file or folder, by what it holds. Raises ExchangeError."""
    if path.is_dir():
        for kind, sign in (
            ("lerobot", "meta/info.json"),
            ("minari", "data/metadata.json"),
            ("minari", "metadata.json"),
        ):
            if (path / sign).is_file():
                return kind
        raise ExchangeError(f"{path} is a folder of no known format: neither meta/info.json nor data/metadata.json")
    with hdf5.opened(path) as file:
        for kind, sign in (("robomimic", "data"), ("d3rlpy", "num_episodes"), ("d4rl", "observations")):
            if hdf5.has(file, sign):
                return kind
        if hdf5.has(file, "episode_0"):
            raise ExchangeError(f"{path.name} is the inside of a Minari dataset: name the folder above `data` instead")
    raise ExchangeError(f"{path.name} is HDF5 of no known format; name it with --from")
