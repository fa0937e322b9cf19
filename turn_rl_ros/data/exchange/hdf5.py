"""Reading what others wrote with HDF5: plain numbers that lie in the file itself, and nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.data.exchange.checks import ExchangeError, same_rows, table

Parts = dict[str, NDArray[np.float32]]


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """The file, for reading. Raises ExchangeError when it is not HDF5."""
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ExchangeError(f"{path.name} is not a readable HDF5 file: {str(error).splitlines()[0]}") from error
    with file:
        yield file


def member(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
    """What lies under `name`, and only in this file: a link could lead to any other file of this computer.

    Raises ExchangeError for a missing name (says what is there) and for a link.
    """
    link = group.get(name, getlink=True)
    if link is None:
        there = ", ".join(list(group)[:12]) or "nothing"
        raise ExchangeError(f"{_join(group, name)} is missing; there is {there}")
    if not isinstance(link, h5py.HardLink):
        raise ExchangeError(f"{_join(group, name)} is a link to elsewhere, which is not followed")
    return group[name]


def subgroup(group: h5py.Group, name: str) -> h5py.Group:
    """A group under `name`. Raises ExchangeError."""
    found = member(group, name)
    if not isinstance(found, h5py.Group):
        raise ExchangeError(f"{_join(group, name)} is an array, a group is needed")
    return found


def array(group: h5py.Group, name: str) -> NDArray:
    """All values of an array of numbers. Raises ExchangeError, and MemoryError where its shape promises too much."""
    found = member(group, name)
    if not isinstance(found, h5py.Dataset):
        raise ExchangeError(f"{_join(group, name)} is a group, an array is needed")
    if found.dtype.kind not in "biuf" or found.shape is None:
        raise ExchangeError(f"{_join(group, name)} has values of type {found.dtype}, not numbers")
    if found.external or found.is_virtual:
        raise ExchangeError(f"{_join(group, name)} takes its values from another file, which is not followed")
    return np.asarray(found[()])


def has(group: h5py.Group, name: str) -> bool:
    """Whether there is anything under `name`."""
    return group.get(name, getlink=True) is not None


def observations(group: h5py.Group, name: str) -> Parts:
    """Observations kept as one array or as a group of them, by name in alphabetical order; images are left out."""
    found = member(group, name)
    if not isinstance(found, h5py.Group):
        return {"": table(_join(group, name), array(group, name))}
    parts, images = {}, []
    for key in sorted(found):
        one = member(found, key)
        if isinstance(one, h5py.Dataset) and one.ndim > 2:
            images.append(key)
        else:
            parts[key] = table(_join(found, key), array(found, key))
    if not parts:
        raise ExchangeError(f"{_join(group, name)} has no observation that is a vector: {', '.join(images) or 'empty'}")
    same_rows({f"{_join(found, key)}": part for key, part in parts.items()})
    return parts


def side_by_side(parts: Parts) -> NDArray[np.float32]:
    """The parts of an observation as one vector a row."""
    return np.concatenate(list(parts.values()), axis=1) if len(parts) > 1 else next(iter(parts.values()))


def names(parts: Parts) -> tuple[str, ...]:
    """A name for each element of the vector: `key_0`, `key_1`, ...; none where the file names nothing."""
    return tuple(f"{key}_{n}" for key, part in parts.items() for n in range(part.shape[1])) if "" not in parts else ()


def _join(group: h5py.Group, name: str) -> str:
    return f"{group.name}/{name}".lstrip("/")
