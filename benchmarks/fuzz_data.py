"""Mutated datasets of every format: each must be read right or refused in one line, within 5 s and 1 GiB.

    python -m benchmarks.fuzz_data --count 2000

Foreign files go through the body of the guarded reader, forked instead of started anew so that thousands fit into
minutes; our own sessions through `load_dataset`. Nobody can know what a flipped bit of a number was, so a foreign file
is read right when every promise of `Experience` holds; a session has a hash, so its rows must be the very same ones.
The children may start no program, open no socket and load no code. Prints the counts and writes results/fuzz-data.json.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from rich.progress import Progress

from benchmarks import torture_worker
from benchmarks.mutations import mutate
from benchmarks.table import Row, report, row
from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.data.dataset import Dataset, load_dataset
from turn_rl_ros.data.exchange import guard
from turn_rl_ros.data.exchange.describe import Said, describe
from turn_rl_ros.data.exchange.experience import Experience
from turn_rl_ros.data.exchange.exports import export
from turn_rl_ros.data.session import SessionWriter

NAMES = {"d4rl": "x.hdf5", "minari": "x-v0", "robomimic": "x.hdf5", "lerobot": "x", "d3rlpy": "x.h5"}
ROWS = 60
SECONDS = guard.SECONDS + 1.0
"""Processor time that one may take: the system looks at the limit once a second."""
HANG_S = 60
"""Ends a child that waits for something without using its processor time."""
FORBIDDEN = ("exec", "compile", "marshal.", "pickle.", "ctypes.", "subprocess.", "socket.", "os.system", "os.exec",
             "os.posix_spawn", "os.fork", "os.spawn")  # fmt: skip


@dataclass
class Tally:
    """What became of the mutants of one format."""

    read: int = 0
    refused: int = 0
    died: int = 0
    """Refused too, as their reader crashed, ran out of time or out of memory in its own process."""
    seconds: float = 0.0
    """Most processor time that one took."""
    broken: list[str] = field(default_factory=list)
    allowed_s: int = guard.SECONDS

    @property
    def files(self) -> int:
        """Count the mutants."""
        return self.read + self.refused + self.died + len(self.broken)


def pristine(directory: Path) -> Dataset:
    """A sealed session in `directory`."""
    spec = torture_worker.torture_spec()
    writer = SessionWriter(directory, spec, {"turn": 1})
    for number in range(ROWS):
        writer.append(torture_worker.transition(number, spec))
    writer.seal("done")
    return load_dataset(directory)


def child(work: Callable[[], None], tally: Tally) -> int:
    """Run `work` in a limited child and note what it cost; gives its status."""
    if not (pid := os.fork()):
        status = 1
        try:
            with open(os.devnull, "w") as nowhere:  # noqa: PTH123
                os.dup2(nowhere.fileno(), 2)  # HDF5 prints its stack of errors
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(HANG_S)
            guard.limit(guard.MEMORY_BYTES, tally.allowed_s)
            sys.addaudithook(refuse)
            work()
            status = 0
        finally:
            os._exit(status)
    _, status, cost = os.wait4(pid, 0)
    tally.seconds = max(tally.seconds, cost.ru_utime + cost.ru_stime)
    return os.waitstatus_to_exitcode(status)


def refuse(event: str, _: tuple[Any, ...]) -> None:
    """Audit hook: a file that makes its reader do one of these ends the child with a status of its own."""
    if event.startswith(FORBIDDEN):
        os._exit(99)


def require_sound(data: Experience) -> None:
    """Raise AssertionError where a promise of `Experience` does not hold."""
    count, size = data.observations.shape
    assert count and size and data.next_observations.shape == (count, size), "shapes of observations"
    assert len(data.actions) == len(data.rewards) == len(data.terminals) == len(data.timeouts) == count, "lengths"
    numbers = (data.observations, data.next_observations, data.actions, data.rewards)
    assert all(np.isfinite(one).all() for one in numbers), "not finite"
    assert data.terminals.dtype == data.timeouts.dtype == bool, "flags"
    assert not (data.terminals & data.timeouts).any() and data.stops[-1] == count, "ends of episodes"


def foreign(kind: str, source: Path, work: Path, seed: int, tally: Tally) -> None:
    """One mutant of a foreign dataset."""
    target, reply = work / f"{seed}-{source.name}", work / "reply"
    reply.mkdir()
    mutate(source, target, seed)
    status = child(lambda: guard.answer(target, kind, reply), tally)
    try:
        if status == 99:
            raise AssertionError("its reader tried to run something")
        found = guard.understand(target, reply, status)[1]
        require_sound(found)
        describe(found, Said())
        tally.read += 1
    except TurnRlError as error:
        if "\n" in str(error):
            tally.broken.append(f"{kind} {seed}: more than one line")
        elif status:
            tally.died += 1
        else:
            tally.refused += 1
    except Exception as error:
        tally.broken.append(f"{kind} {seed}: {type(error).__name__}: {error}")
    finally:
        shutil.rmtree(reply)
        shutil.rmtree(target) if target.is_dir() else target.unlink()


def session(right: Dataset, work: Path, seed: int, tally: Tally) -> None:
    """One mutant of a sealed session, on its manifest or, every other time, alone."""
    source, folder, refused = right.sessions[0].path, work / "sessions", work / "refused"
    folder.mkdir()
    mutate(source, folder / source.name, seed)
    if seed % 2:
        shutil.copy(source.parent / "manifest.json", folder)

    def read() -> None:
        try:
            found = load_dataset(folder)
        except TurnRlError as error:
            assert "\n" not in str(error)
            refused.touch()
            return
        assert np.array_equal(found.observations, right.observations) and np.array_equal(found.goal, right.goal)

    status = child(read, tally)
    if status:
        tally.broken.append(f"session {seed}: ended with {status}")
    elif refused.exists():
        tally.refused += 1
    else:
        tally.read += 1
    refused.unlink(missing_ok=True)
    shutil.rmtree(folder)


def fuzz(
    kind: str, seeds: range, root: Path, step: Callable[[], None] = lambda: None, allowed_s: int = guard.SECONDS
) -> Tally:
    """Mutants of one format, `session` among them, each within `allowed_s` seconds of processor time."""
    pa.set_memory_pool(pa.system_memory_pool())  # as in the guarded process
    root.mkdir(parents=True)
    right, tally = pristine(root / "pristine"), Tally(allowed_s=allowed_s)
    if kind != "session":
        source = root / NAMES[kind]
        export(right, kind, source)
        for unread in [*source.glob("meta/*/**/*.parquet"), *source.glob("meta/[st]*")]:
            unread.unlink()  # LeRobot's own indices: damage to them would change nothing
        (root / "warm").mkdir()
        guard.answer(source, kind, root / "warm")  # imports what a reader imports, so that nothing is left to load
        assert len(guard.understand(source, root / "warm", 0)[1]) == ROWS
    for seed in seeds:
        if kind == "session":
            session(right, root, seed, tally)
        else:
            foreign(kind, source, root, seed, tally)
        step()
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000, help="mutants of each format")
    parser.add_argument("--kinds", default=",".join(["session", *NAMES]), help="formats, with commas between them")
    options = parser.parse_args()
    kinds, rows, broken = options.kinds.split(","), [], []
    with tempfile.TemporaryDirectory(prefix="turn-rl-fuzz-") as folder, Progress() as progress:
        for kind in kinds:
            task = progress.add_task(kind, total=options.count)
            tally = fuzz(kind, range(options.count), Path(folder) / kind, lambda task=task: progress.advance(task))
            what = f"{kind}: {tally.read} read, {tally.refused} refused, {tally.died} contained"
            sound = tally.files - len(tally.broken)
            rows += [
                Row(what, sound, "files", "all", tally.files, sound / tally.files, 1.0, not tally.broken),
                row(f"{kind}: longest", max(tally.seconds, 1e-3), "s", "allowed", SECONDS, 1.0, less_is_better=True),
            ]
            broken += tally.broken
    report("fuzz-data", rows)
    print(*broken, sep="\n")
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())
