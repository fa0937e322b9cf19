"""Recording and loading beside what the disk and other people's tools do, in one run.

Rounds of ours and of the reference are interleaved and medians compared. Peers run in an environment of their own
with pinned versions, made in `.venv-peers` on first use (`--peers no` leaves them out, and says so in the table).
"""

import argparse
import gc
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.progress import track

from benchmarks import loading, recording
from benchmarks.table import Row, report, row
from turn_rl_ros.core.task import make_spec

PEERS = (
    "minari==0.5.4", "h5py==3.16.0", "jax==0.10.2", "pillow", "rosbags==0.11.9", "d3rlpy==2.8.1", "torch==2.13.0",
)  # fmt: skip


def medians(rounds: int, *measures: Callable[[], float], before: Callable[[], object] = int) -> list[float]:
    """Median of each measure over interleaved rounds, with `before` called ahead of each."""
    values: list[list[float]] = [[] for _ in measures]
    for _ in track(range(rounds), description="rounds"):
        for measure, found in zip(measures, values, strict=True):
            gc.collect()
            before()
            found.append(measure())
    return [statistics.median(found) for found in values]


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
        return json.loads(done.stdout.splitlines()[-1])
    except (subprocess.SubprocessError, OSError, ValueError) as error:
        return dict.fromkeys(("minari", "rosbags", "d3rlpy"), str(error).splitlines()[0])


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
        costs = recording.callback_cost(spec, folder, 6.0) * 1e6
        p50, p99 = np.quantile(costs, [0.5, 0.99]).tolist()
        ours, plain, threaded = medians(
            5 * options.rounds,  # the disk's own time varies more than ours
            lambda: recording.durable_rate(spec, folder / "rate", 5_000),
            lambda: recording.plain_rate(spec, folder, 5_000),
            lambda: recording.threaded_rate(spec, folder / "rate", 30_000),
        )
        sessions = folder / "sessions"
        sessions.mkdir()
        loading.make_sessions(spec, sessions, options.rows)
        loading.load_rate(sessions, "changed")  # hashes every file, which later loads need not
        loading.mapped_rate(sessions)  # and this writes the columns
        default, checked, mapped, cold, warm = medians(
            options.rounds,
            lambda: loading.load_rate(sessions, "changed"),
            lambda: loading.load_rate(sessions, "always"),
            lambda: loading.mapped_rate(sessions),
            lambda: loading.readinto_rate(sessions, True),
            lambda: loading.readinto_rate(sessions, False),
            before=lambda: loading.readinto_rate(sessions, True),  # the cache is warm for each
        )
        peak, arrays = loading.memory(sessions)
        one_more, anew = loading.growing(sessions)
        shutil.rmtree(sessions)
        found = peers(folder) if options.peers == "yes" else {}
    count = f"{options.rows:,} rows of {loading.SESSIONS} sessions"
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
            row(f"load {count}", default, "GB/s", "readinto, touched memory", warm, 0.25),
            row(f"load {count}", default, "GB/s", "readinto, fresh memory", cold, 0.25),
            row(f"load {count}, every byte hashed", checked, "GB/s", "readinto, fresh memory", cold, 0.0),
            row(
                "the same as mapped columns, every page touched", mapped, "GB/s", "readinto, touched memory", warm, 0.5
            ),
            peer_row(f"load {count}", default, "GB/s", found, "minari_load", 15.0),
            peer_row(f"load {count}", default, "GB/s", found, "d3rlpy_load", 35.0),
            row("load one session more", one_more, "ms", "all sessions anew", anew, 10.0, less_is_better=True),
            row("peak memory of loading", peak, "MB", "the arrays", arrays, 0.833, less_is_better=True),
        ],
    )


if __name__ == "__main__":
    sys.exit(main())
