"""Importing bags beside real time, beside what rosbags alone needs to deserialise them, and its memory."""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.progress import track
from rosbags.rosbag2 import StoragePlugin

from benchmarks.bags_worker import write_bag
from benchmarks.table import Row, report, row

FORMATS = {"sqlite3": StoragePlugin.SQLITE3, "MCAP": StoragePlugin.MCAP}


def measured(what: str, bag: Path, folder: Path) -> dict[str, float]:
    """One measurement in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.bags_worker", what, str(bag), str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def speed_rows(name: str, bag: Path, folder: Path, seconds: float, rounds: int) -> list[Row]:
    """Interleaved rounds of ours and of rosbags alone; medians."""
    ours, theirs = [], []
    for _ in track(range(rounds), description=name):
        ours.append(measured("import", bag, folder)["seconds"])
        theirs.append(measured("deserialise", bag, folder)["seconds"])
    our_s, their_s = statistics.median(ours), statistics.median(theirs)
    return [
        row(f"import, {name}, 125 Hz, 6 joints", seconds / our_s, "s a second", "real time", 1.0, 100.0),
        row(f"import, {name}", 1.0 / our_s, "bags/s", "rosbags deserialises", 1.0 / their_s, 0.5),
    ]


def memory_row(name: str, plugin: StoragePlugin, folder: Path, seconds: float) -> Row:
    """Peak memory of importing a bag that is ten times as long, beside that of the bag itself."""
    long = folder / f"{name}-long"
    write_bag(long, 10 * seconds, plugin)
    ten, one = (measured("import", bag, folder)["peak_mb"] for bag in (long, folder / name))
    shutil.rmtree(long)
    return row(f"peak memory, {name}, ten times as long", ten, "MB", "the bag", one, 0.9, less_is_better=True)


def main() -> None:
    """Measure everything and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=240.0, help="length of the bag; another is ten times longer")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, rows = Path(name), []
        for kind, plugin in FORMATS.items():
            write_bag(folder / kind, options.seconds, plugin)
            rows += speed_rows(kind, folder / kind, folder, options.seconds, options.rounds)
            rows.append(memory_row(kind, plugin, folder, options.seconds))
    report("bench-bags", rows)


if __name__ == "__main__":
    main()
