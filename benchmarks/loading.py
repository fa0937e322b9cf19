"""How fast sessions become arrays, beside `readinto` of the same bytes."""

import json
import mmap
import os
import resource
import time
from pathlib import Path

import numpy as np
from rich.progress import track

from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.data import hashes, manifest
from turn_rl_ros.data.dataset import Dataset, Loader, load_dataset
from turn_rl_ros.data.reading import Verify
from turn_rl_ros.data.schema import row_dtype
from turn_rl_ros.data.sealed import read_info, write_sealed
from turn_rl_ros.data.select import column_names

SESSIONS = 100


def make_sessions(spec: TaskSpec, folder: Path, rows: int) -> None:
    """`SESSIONS` sealed sessions with `rows` rows in all, old enough to be remembered once they are hashed."""
    rng, known, dtype = np.random.default_rng(0), {}, row_dtype(spec)
    for number in track(range(SESSIONS), description="making sessions"):
        table = np.zeros(rows // SESSIONS, dtype)
        for name in dtype.names or ():
            if dtype[name].base.kind == "f":
                table[name] = rng.random(table[name].shape)
        table["episode"], table["step"] = np.divmod(np.arange(len(table)), 50)
        path = folder / f"session-{number:03d}.h5"
        facts = {"task_spec": spec.to_json(), "fingerprint": spec.fingerprint(), "created_utc": f"{number:03d}"}
        write_sealed(path, {"schema_version": 1, **facts}, table)
        known[path.name] = manifest.entry(read_info(path))
    manifest.write_manifest(folder, known)
    time.sleep(hashes.SETTLED_NS / 1e9 + 0.1)


def size(data: Dataset) -> int:
    """Bytes of all arrays."""
    return sum(getattr(data, name).nbytes for name in column_names(data))


def load_rate(folder: Path, verify: Verify) -> float:
    """GB/s of arrays in which `load_dataset` fills fresh memory."""
    start = time.perf_counter()
    data = load_dataset(folder, verify=verify)
    return size(data) / (time.perf_counter() - start) / 1e9


def mapped_rate(folder: Path) -> float:
    """GB/s of arrays that `load_dataset` maps, with every page of them touched."""
    start = time.perf_counter()
    data = load_dataset(folder, mmap=True)
    for name in column_names(data):
        getattr(data, name).reshape(-1).view(np.uint8)[:: mmap.PAGESIZE].sum()
    return size(data) / (time.perf_counter() - start) / 1e9


def readinto_rate(folder: Path, fresh: bool) -> float:
    """GB/s of `readinto` of the same files, whole, into memory that is fresh or was touched before."""
    files = sorted(folder.glob("*.h5"))
    sizes = [file.stat().st_size for file in files]
    memory = np.empty(sum(sizes), np.uint8)
    if not fresh:
        memory.fill(1)
    view, at = memoryview(memory.data), 0
    start = time.perf_counter()
    for path, length in zip(files, sizes, strict=True):
        with path.open("rb", buffering=0) as file:
            at += file.readinto(view[at : at + length]) or 0
    return at / (time.perf_counter() - start) / 1e9


def growing(folder: Path) -> tuple[float, float]:
    """Milliseconds to load the last session when all others are loaded, and to load all of them anew."""
    known = manifest.read_manifest(folder)
    last = max(known)
    aside = folder.with_name("aside.h5")
    (folder / last).rename(aside)
    manifest.write_manifest(folder, {name: one for name, one in known.items() if name != last})
    loader = Loader(folder)
    loader.load()
    aside.rename(folder / last)
    manifest.write_manifest(folder, known)
    start = time.perf_counter()
    loader.load()
    one = time.perf_counter() - start
    load_dataset(folder)  # the file was renamed, so it is hashed once more
    start = time.perf_counter()
    load_dataset(folder)
    return one * 1e3, (time.perf_counter() - start) * 1e3


def memory(folder: Path) -> tuple[float, float]:
    """Peak memory that loading adds in a fresh process, and the size of the arrays, both in MB."""
    if pid := os.fork():
        os.waitpid(pid, 0)
        return tuple(json.loads((folder / "memory.json").read_text()))  # type: ignore[return-value]
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    data = load_dataset(folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    (folder / "memory.json").write_text(json.dumps([peak - resident, size(data) / 1e6]))
    os._exit(0)
