"""Ways to damage a dataset: bytes of any file, and the structure of HDF5, JSON and Parquet."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
from pyarrow import parquet

NUMBERS: tuple[Any, ...] = (0, 1, -1, 2**31, 2**63, 1e308, float("nan"), float("-inf"), None, "4", [], {}, [[]], True)


def flip(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 8, 200))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def flip_structure(data: bytearray, rng: random.Random) -> None:
    """Bits near the places where HDF5 and Parquet keep their indices."""
    marks = (b"TREE", b"HEAP", b"SNOD", b"GCOL", b"OHDR", b"FRHP", b"FSHD", b"PAR1")
    starts = [0, len(data) - 400, *(at for mark in marks if (at := data.find(mark)) >= 0)]
    start = rng.choice(starts)
    for _ in range(rng.choice((1, 4))):
        data[(start + rng.randrange(400)) % len(data)] ^= 1 << rng.randrange(8)


def cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def overwrite(data: bytearray, rng: random.Random) -> None:
    at, size = rng.randrange(len(data)), rng.randrange(1, 600)
    data[at : at + size] = rng.choice((b"\x00", b"\xff", b"\x80", b"[", b"9")) * len(data[at : at + size])


def swap(data: bytearray, rng: random.Random) -> None:
    size = min(64, len(data) // 2)
    a, b = rng.randrange(len(data) - size + 1), rng.randrange(len(data) - size + 1)
    data[a : a + size], data[b : b + size] = data[b : b + size], data[a : a + size]


def append(data: bytearray, rng: random.Random) -> None:
    data.extend(rng.randbytes(rng.randrange(1, 5000)))


BYTES: tuple[Callable[[bytearray, random.Random], None], ...] = (flip, flip_structure, cut, overwrite, swap, append)


def holds_numbers(item: h5py.Group | h5py.Dataset) -> bool:
    return isinstance(item, h5py.Dataset) and item.dtype.kind in "biuf"


def edit_hdf5(path: Path, rng: random.Random) -> None:
    """A well-formed file that says something else in one place."""
    with h5py.File(path, "r+") as file:
        arrays: list[str] = []
        file.visititems(lambda name, item: arrays.append(name) if holds_numbers(item) else None)
        name = rng.choice(arrays)
        old = file[name][()]
        shape = np.shape(old)

        def put(values: Any) -> None:
            del file[name]
            file[name] = values

        def make(*args: Any, **options: Any) -> None:
            del file[name]
            file.create_dataset(name, *args, **options)

        def nest() -> None:
            group = file.create_group("deep")
            for _ in range(2000):
                group = group.create_group("g")
            put(h5py.SoftLink("/deep"))

        def spoil() -> None:
            values = np.array(old, dtype=np.float64)
            values.flat[rng.randrange(values.size)] = rng.choice((np.nan, np.inf, -np.inf, 1e300))
            put(values)

        edits: list[Callable[[], Any]] = [
            lambda: file.__delitem__(name),
            lambda: make((10 ** rng.randrange(9, 14), *shape[1:]), "f4", chunks=(1000, *shape[1:])),
            lambda: make((2 * 10**8,), "f8", chunks=(10**6,), compression="gzip", fillvalue=1.0),
            lambda: make(shape, dtype=rng.choice((np.dtype("S3"), np.dtype([("a", "f4")]), h5py.string_dtype()))),
            lambda: make(shape, dtype=rng.choice(("f2", "i1", "u8", "c8", "?"))),
            lambda: make(dtype="f4", shape=None, data=h5py.Empty("f4")),
            lambda: make(shape, "f8", external=[("/etc/passwd", 0, max(8, int(np.prod(shape)) * 8))]),
            lambda: (file.__delitem__(name), file.create_group(name)),
            lambda: put(rng.choice((h5py.SoftLink("/nowhere"), h5py.ExternalLink("/etc/passwd", "/x")))),
            lambda: put(h5py.SoftLink(f"/{name}")),
            lambda: put(old[: len(old) // 2] if shape else np.zeros(3)),
            lambda: put(np.concatenate([old, old]) if shape else np.zeros((2, 2, 2))),
            lambda: put(np.asarray(old)[None]),
            lambda: file.attrs.update(task_spec=rng.choice(("[" * 100_000, "{}", 3.5, np.zeros(4)))),
            lambda: put(np.array(old, dtype=np.float64) * 1e39),
            nest,
            spoil,
        ]
        rng.choice(edits)()


def edit_json(path: Path, rng: random.Random) -> None:
    """JSON with another value somewhere, or far too deep."""
    values = json.loads(path.read_text(encoding="utf-8"))
    if rng.random() < 0.2:
        path.write_text(rng.choice(("[" * 10**6, '{"a":' * 10**5, "[]", "", "{}", "9" * 10**6)), encoding="utf-8")
        return
    at = values
    while isinstance(at, dict) and at and rng.random() < 0.7:
        key = rng.choice(list(at))
        if not isinstance(at[key], dict) or not at[key]:
            at[key] = rng.choice((*NUMBERS, "[" * 10**5))
            break
        at = at[key]
    else:
        values.pop(rng.choice(list(values)), None)
    path.write_text(json.dumps(values), encoding="utf-8")


def edit_parquet(path: Path, rng: random.Random) -> None:
    """A sound table with one column changed."""
    table = parquet.read_table(path)
    place = rng.randrange(table.num_columns)
    name, rows = table.column_names[place], table.num_rows
    columns: list[Callable[[], Any]] = [
        lambda: pa.array([None] * rows, pa.float32()),
        lambda: pa.array(["x"] * rows),
        lambda: pa.array([float("nan")] * rows),
        lambda: pa.array([[0.5] * (n % 3) for n in range(rows)]),
        lambda: pa.array([[[[n]]] for n in range(rows)]),
        lambda: pa.array([2**62 + n for n in range(rows)]),
        lambda: pa.array([{"a": n} for n in range(rows)]),
        lambda: pa.array([b"\x00" * 1000] * rows).dictionary_encode(),
    ]
    if rng.random() < 0.2:
        table = rng.choice((table.drop_columns([name]), table.slice(0, 0), table.slice(rows // 2)))
    else:
        table = table.set_column(place, name, rng.choice(columns)())
    parquet.write_table(table, path)


EDITS = {".json": edit_json, ".parquet": edit_parquet}


def mutate(source: Path, target: Path, seed: int) -> None:
    """A damaged copy of a file or a folder; the same seed gives the same damage."""
    rng = random.Random(seed)
    if source.is_dir():
        shutil.copytree(source, target)
        victims = sorted(one for one in target.rglob("*") if one.is_file())
        victim = rng.choice(victims)
        if rng.random() < 0.03:
            victim.unlink()
            return
    else:
        shutil.copy(source, target)
        victim = target
    if rng.random() < 0.5:
        EDITS.get(victim.suffix, edit_hdf5)(victim, rng)
    else:
        data = bytearray(victim.read_bytes())
        rng.choice(BYTES)(data, rng)
        victim.write_bytes(data)
