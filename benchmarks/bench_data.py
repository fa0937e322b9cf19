"""Recording and loading beside what the disk and other people's tools do, in one run.

Rounds of ours and of the reference are interleaved and medians compared. Peers run in an environment of their own
with pinned versions, made in `.venv-peers` on first use (`--peers no` leaves them out, and says so in the table).
"""

import argparse
import gc
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from benchmarks.table import Row, report, row
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.task import make_spec
from turn_rl_ros.core.transition import Transition
from turn_rl_ros.data import manifest
from turn_rl_ros.data.dataset import load_dataset
from turn_rl_ros.data.journal import record_dtype
from turn_rl_ros.data.schema import row_dtype
from turn_rl_ros.data.sealed import read_info, write_sealed
from turn_rl_ros.data.session import CAPACITY, SessionWriter

PEERS = ("minari==0.5.4", "h5py==3.16.0", "jax==0.10.2", "pillow", "rosbags==0.11.9")
FLUSH_ROWS = 50
SESSIONS = 100


def transition(spec: TaskSpec, rng: np.random.Generator) -> Transition:
    """A row of noise with the shapes and types of the task."""
    joints = len(spec.joint_names)
    observation = rng.normal(size=spec.observation.size).astype(np.float32)
    q, action = rng.normal(size=joints), rng.normal(size=spec.action.size).astype(np.float32)
    return Transition(observation, action, -1.0, observation, False, False, q, q, q, q, q[:3], 1, 2, 0, 0, 0, 0, q)


def callback_cost(spec: TaskSpec, folder: Path, seconds: float) -> NDArray[np.float64]:
    """Seconds that each `append` took at 500 Hz, (n,)."""
    item, costs = transition(spec, np.random.default_rng(0)), []
    with SessionWriter(folder / "callback", spec) as writer:
        due = time.perf_counter()
        for _ in range(int(seconds * 500)):
            due += 0.002
            time.sleep(max(0.0, due - time.perf_counter()))
            start = time.perf_counter()
            writer.append(item)
            costs.append(time.perf_counter() - start)
    return np.array(costs)


def durable_rate(spec: TaskSpec, folder: Path, rows: int) -> float:
    """Rows/s of the session writer with an fsync every 50 rows."""
    item = transition(spec, np.random.default_rng(0))
    with SessionWriter(folder, spec) as writer:
        start = time.perf_counter()
        for number in range(1, rows + 1):
            writer.append(item)
            if number % FLUSH_ROWS == 0:
                writer.flush()
        return rows / (time.perf_counter() - start)


def threaded_rate(spec: TaskSpec, folder: Path, rows: int) -> float:
    """Rows/s, all durable at the end, when the writer's own thread fsyncs, 0.1 s apart."""
    item = transition(spec, np.random.default_rng(0))
    with SessionWriter(folder, spec) as writer:
        start = time.perf_counter()
        for _ in range(rows):
            while writer.backlog > CAPACITY // 2:
                writer.flush()
            writer.append(item)
        writer.flush()
        return rows / (time.perf_counter() - start)


def plain_rate(spec: TaskSpec, folder: Path, rows: int) -> float:
    """Rows/s of a plain file that gets the same bytes with the same fsyncs."""
    block = bytes(FLUSH_ROWS * record_dtype(row_dtype(spec)).itemsize)
    with (folder / "plain").open("wb", buffering=0) as file:
        start = time.perf_counter()
        for _ in range(rows // FLUSH_ROWS):
            file.write(block)
            os.fsync(file.fileno())
        return rows / (time.perf_counter() - start)


def make_sessions(spec: TaskSpec, folder: Path, rows: int) -> None:
    """`SESSIONS` sealed sessions with `rows` rows in all."""
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


def load_rate(folder: Path, verify: bool) -> float:
    """GB/s of arrays in which `load_dataset` fills fresh memory."""
    start = time.perf_counter()
    data = load_dataset(folder, verify=verify)
    taken = time.perf_counter() - start
    return sum(getattr(data, name).nbytes for name in row_dtype(data.spec).names or ()) / taken / 1e9


def readinto_rate(folder: Path, fresh: bool) -> float:
    """GB/s of `readinto` of the same files, whole, into memory that is fresh or was touched before."""
    files = sorted(folder.glob("*.h5"))
    sizes = [file.stat().st_size for file in files]
    memory = np.empty(sum(sizes), np.uint8)
    if not fresh:
        memory.fill(1)
    view, at = memoryview(memory.data), 0
    start = time.perf_counter()
    for path, size in zip(files, sizes, strict=True):
        with path.open("rb", buffering=0) as file:
            at += file.readinto(view[at : at + size]) or 0
    return at / (time.perf_counter() - start) / 1e9


def medians(rounds: int, *measures: Callable[[], float]) -> list[float]:
    """Median of each measure over interleaved rounds."""
    values: list[list[float]] = [[] for _ in measures]
    for _ in track(range(rounds), description="rounds"):
        for measure, found in zip(measures, values, strict=True):
            gc.collect()
            found.append(measure())
    return [statistics.median(found) for found in values]


def loading_memory(folder: Path) -> tuple[float, float]:
    """Peak memory that loading adds in a fresh process, and the size of the arrays, both in MB."""
    if pid := os.fork():
        os.waitpid(pid, 0)
        return tuple(json.loads((folder / "memory.json").read_text()))  # type: ignore[return-value]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    data = load_dataset(folder)
    peak = max(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, before) / 1e3
    arrays = sum(getattr(data, name).nbytes for name in (*(row_dtype(data.spec).names or ()), "session")) / 1e6
    (folder / "memory.json").write_text(json.dumps([peak - resident, arrays]))
    os._exit(0)


def peers(folder: Path) -> dict[str, float | str]:
    """What the peers reach, or under a peer's name why it could not be measured."""
    home = Path(".venv-peers")
    python = home / "bin" / "python"
    try:
        if not (home / ".ready").exists():
            print(f"installing {', '.join(PEERS)} into {home} ...")
            venv.create(home, with_pip=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", *PEERS], check=True, timeout=600)
            (home / ".ready").touch()
        script = Path(__file__).with_name("peers_data.py")
        environment = {**os.environ, "MINARI_DATASETS_PATH": str(folder / "minari")}
        done = subprocess.run(
            [python, script], check=True, capture_output=True, text=True, env=environment, timeout=600
        )
        return json.loads(done.stdout)
    except (subprocess.SubprocessError, OSError, ValueError) as error:
        return {"minari": str(error).splitlines()[0], "rosbags": str(error).splitlines()[0]}


def peer_row(what: str, ours: float, unit: str, found: dict[str, float | str], key: str, goal: float) -> Row:
    """Ours against a peer, or a row that says why there is none."""
    peer = found.get(key)
    name = key.split("_")[0]
    if isinstance(peer, float):
        return row(what, ours, unit, name, peer, goal)
    return Row(
        f"{what} ({name} not measured: {found.get(name, 'left out')})",
        round(ours, 3),
        unit,
        name,
        None,
        None,
        goal,
        False,
    )


def main() -> None:
    """Measure everything and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows to load")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder of the working directory")
    parser.add_argument("--peers", choices=("yes", "no"), default="yes")
    options = parser.parse_args()
    spec = make_spec({"kind": "reach"})
    with tempfile.TemporaryDirectory(dir=options.folder or Path.cwd()) as name:
        folder = Path(name)
        costs = callback_cost(spec, folder, 10.0) * 1e6
        p50, p99 = np.quantile(costs, [0.5, 0.99]).tolist()
        ours, plain, threaded = medians(
            options.rounds,
            lambda: durable_rate(spec, folder / "rate", 20_000),
            lambda: plain_rate(spec, folder, 20_000),
            lambda: threaded_rate(spec, folder / "rate", 50_000),
        )
        sessions = folder / "sessions"
        sessions.mkdir()
        make_sessions(spec, sessions, options.rows)
        quick, checked, cold, warm = medians(
            options.rounds,
            lambda: load_rate(sessions, False),
            lambda: load_rate(sessions, True),
            lambda: readinto_rate(sessions, True),
            lambda: readinto_rate(sessions, False),
        )
        peak, arrays = loading_memory(sessions)
        shutil.rmtree(sessions)
        found = peers(folder) if options.peers == "yes" else {}
    count = f"{options.rows:,} rows of {SESSIONS} sessions"
    report(
        "bench-data",
        [
            row("append in the callback at 500 Hz, p50", p50, "us", "goal", 5.0, 1.0, less_is_better=True),
            row("append in the callback at 500 Hz, p99", p99, "us", "goal", 60.0, 1.0, less_is_better=True),
            row("rows on disk, fsync every 50", ours, "rows/s", "plain file, same fsyncs", plain, 0.5),
            peer_row("rows on disk, fsync every 50", ours, "rows/s", found, "minari_write", 4.0),
            peer_row("rows on disk, fsync every 50", ours, "rows/s", found, "rosbags_write", 1.0),
            peer_row("rows on disk, fsync every 0.1 s", threaded, "rows/s", found, "minari_write", 4.0),
            peer_row("rows on disk, fsync every 0.1 s", threaded, "rows/s", found, "rosbags_write", 1.0),
            row(f"load {count}", quick, "GB/s", "readinto, fresh memory", cold, 0.5),
            row(f"load {count}", quick, "GB/s", "readinto, touched memory", warm, 0.25),
            row(f"load {count}, sha256 verified", checked, "GB/s", "readinto, fresh memory", cold, 0.0),
            peer_row(f"load {count}", quick, "GB/s", found, "minari_load_gb", 15.0),
            Row(
                "load (d3rlpy not measured: needs its own torch)",
                round(quick, 3),
                "GB/s",
                "d3rlpy",
                None,
                None,
                35.0,
                False,
            ),
            row("peak memory of loading", peak, "MB", "the arrays", arrays, 0.833, less_is_better=True),
        ],
    )


if __name__ == "__main__":
    sys.exit(main())
