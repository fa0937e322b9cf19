"""Torture of the session writer: die in every way, hundreds of times, and check every byte after each.

    python -m benchmarks.torture --rounds 500

A round forks a recorder, ends it in one of the ways below, runs recovery and then demands: every sealed file is
readable and on the manifest, none sealed before changed by a byte, the rows are those of the sender's log, at most
0.5 s of it is missing, and nothing half-written stays. Prints the counts and writes results/torture.json.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
from rich.progress import Progress

from benchmarks import torture_worker as worker
from benchmarks.table import Row, report, row
from turn_rl_ros.data.errors import SessionError
from turn_rl_ros.data.hashes import sha256_file
from turn_rl_ros.data.manifest import sealed_files, verify
from turn_rl_ros.data.recover import recover
from turn_rl_ros.data.sealed import read_info, read_rows
from turn_rl_ros.data.session import SessionWriter

LOSS_S = 0.5
FOREVER = 10**6
SESSIONS_A_DIRECTORY = 25


class Broken(Exception):
    """A promise that did not hold."""


@dataclass
class Tally:
    """What all rounds found together."""

    losses: list[float] = field(default_factory=list)
    """Seconds of rows that each kill cost."""
    rows: int = 0


class Arena:
    """One sessions directory under attack, and what is known of it independently of the code under test."""

    def __init__(self, root: Path, rng: random.Random, tally: Tally) -> None:
        self.tally, self.root, self.rng, self.spec = tally, root, rng, worker.torture_spec()
        self.sessions, self.log = root / "sessions", root / "log"
        self.hashes: dict[str, str] = {}
        root.mkdir(parents=True)

    def writer(self) -> SessionWriter:
        """A new session; the wall clock may have jumped by a day either way."""
        created = datetime(2026, 11, 21, tzinfo=timezone.utc) + timedelta(seconds=self.rng.uniform(-86400, 86400))
        return SessionWriter(self.sessions, self.spec, created_utc=created)

    def start(self, work: Callable[[SessionWriter, int], None]) -> int:
        """Fork a recorder; returns when it has its session open."""
        self.log.unlink(missing_ok=True)

        def child() -> None:
            writer = self.writer()
            fd = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            work(writer, fd)

        pid = worker.fork(child)
        deadline = time.monotonic() + 30
        while not self.log.exists() and os.waitpid(pid, os.WNOHANG)[0] == 0:
            if time.monotonic() > deadline:
                raise Broken("the recorder did not start within 30 s")
            time.sleep(0.001)
        return pid

    def stream(self, pause_s: float, flush: bool = False) -> Callable[[SessionWriter, int], None]:
        """Work for `start`: rows without end, each flushed by itself when `flush`."""

        def work(writer: SessionWriter, fd: int) -> None:
            for number in range(FOREVER):
                worker.send(writer, self.spec, [number], fd, pause_s)
                if flush:
                    writer.flush()

        return work

    def wait(self, longest_s: float) -> None:
        """Let a random time pass."""
        time.sleep(self.rng.uniform(0, longest_s))

    def check(self) -> None:
        """Recover, then hold everything against the log. Raises Broken."""
        recover(self.sessions)
        if problems := verify(self.sessions):
            raise Broken(problems[0])
        files = sealed_files(self.sessions)
        for path in files:
            if path.name in self.hashes and sha256_file(path) != self.hashes[path.name]:
                raise Broken(f"{path.name} changed after it was sealed")
        fresh = [path for path in files if path.name not in self.hashes]
        if missing := self.hashes.keys() - {path.name for path in files}:
            raise Broken(f"{missing} vanished")
        if len(fresh) != 1:
            raise Broken(f"one session was recorded, {len(fresh)} were sealed")
        self.hashes[fresh[0].name] = sha256_file(fresh[0])
        allowed = {"manifest.json", ".recording.lock", ".verified.json", *self.hashes}
        if leftovers := {path.name for path in self.sessions.iterdir()} - allowed:
            raise Broken(f"left behind: {leftovers}")
        self.compare(fresh[0])

    def compare(self, path: Path) -> None:
        """Rows against the log, and how much of the log is missing."""
        rows = read_rows(read_info(path))
        numbers, times = worker.read_log(self.log)
        if (
            len(rows) > len(numbers)
            or rows.tobytes() != worker.expected_rows(numbers[: len(rows)], self.spec).tobytes()
        ):
            raise Broken(f"{path.name}: its {len(rows)} rows are not the first of the {len(numbers)} sent")
        loss = float(times[-1] - times[len(rows)]) if len(rows) < len(numbers) else 0.0
        self.tally.losses.append(loss)
        self.tally.rows += len(rows)
        if loss > LOSS_S:
            raise Broken(f"{loss:.2f} s of rows were lost")


def end(pid: int, number: int = signal.SIGKILL) -> None:
    """Send a signal that cannot be caught or is not, and wait for the end."""
    os.kill(pid, number)  # a child that is already dead stays a zombie until it is waited for
    os.waitpid(pid, 0)


def kill_while_writing(arena: Arena) -> None:
    """SIGKILL between two rows, at about 500 Hz."""
    pid = arena.start(arena.stream(0.0015))
    arena.wait(1.5)  # well beyond the bound, or too large a loss could not show
    end(pid)


def kill_while_flushing(arena: Arena) -> None:
    """SIGKILL while every row is fsynced by itself."""
    pid = arena.start(arena.stream(0.0, flush=True))
    arena.wait(0.2)
    end(pid)


def sigterm(arena: Arena) -> None:
    """SIGTERM without a handler."""
    pid = arena.start(arena.stream(0.001))
    arena.wait(0.3)
    end(pid, signal.SIGTERM)


def sealer(arena: Arena, count: int) -> Callable[[SessionWriter, int], None]:
    """Work that records `count` rows, marks the log and seals."""

    def work(writer: SessionWriter, fd: int) -> None:
        worker.send(writer, arena.spec, list(range(count)), fd, 0)
        (arena.root / "sealing").touch()
        writer.seal("window over")

    return work


def kill_while_sealing(arena: Arena) -> None:
    """SIGKILL at a random moment of a seal."""
    mark = arena.root / "sealing"
    mark.unlink(missing_ok=True)
    pid = arena.start(sealer(arena, arena.rng.randrange(1, 2000)))
    while not mark.exists():
        time.sleep(0.0005)
    arena.wait(0.04)
    end(pid)


def kill_while_recovering(arena: Arena) -> None:
    """SIGKILL while writing, then up to three times while recovering."""
    kill_while_writing(arena)
    for _ in range(3):
        pid = worker.fork(lambda: recover(arena.sessions) and None)
        arena.wait(0.04)
        end(pid)


def sigint_twice(arena: Arena) -> None:
    """Ctrl-C while recording, and again while the first one seals."""

    def work(writer: SessionWriter, fd: int) -> None:
        try:
            worker.send(writer, arena.spec, list(range(FOREVER)), fd, 0.001)
        except KeyboardInterrupt:
            writer.seal("interrupted")

    pid = arena.start(work)
    arena.wait(0.3)
    os.kill(pid, signal.SIGINT)
    arena.wait(0.03)
    os.kill(pid, signal.SIGINT)
    deadline = time.monotonic() + 5
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None and time.monotonic() < deadline:
        time.sleep(0.001)
    end(pid)  # Python drops an interrupt that comes inside a destructor, so both may have gone unheard


def lossy(arena: Arena) -> None:
    """20 % of the messages lost, 20 % out of order, then SIGKILL; checks itself, as the log has whole records."""
    seed = arena.rng.randrange(2**31)
    pid = arena.start(lambda writer, fd: worker.send_lossy(writer, arena.spec, 3000, fd, seed))
    arena.wait(0.5)
    end(pid)
    (found,) = recover(arena.sessions)
    rows = read_rows(read_info(found.path))
    logged = np.frombuffer(arena.log.read_bytes(), rows.dtype)[: len(rows)].copy()
    logged["timeouts"] |= rows["timeouts"]  # cuts are marked on sealing
    if rows.tobytes() != logged.tobytes() or not worker.assembled_rightly(rows):
        raise Broken("a lossy stream was not recorded as it was assembled")
    arena.hashes[found.path.name] = sha256_file(found.path)
    arena.tally.rows += len(rows)


def read_while_writing(arena: Arena) -> None:
    """A trainer loads the dataset over and over while a session is recorded and sealed."""
    reader = worker.fork(lambda: worker.read_for_ever(arena.sessions))
    pid = arena.start(sealer(arena, 1500))
    os.waitpid(pid, 0)
    time.sleep(0.05)
    done, status = os.waitpid(reader, os.WNOHANG)
    if done:
        raise Broken(f"the reader stopped with {os.waitstatus_to_exitcode(status)}")
    end(reader)


class SmallDisk:
    """A tmpfs of its own for one round."""

    def __init__(self, where: Path, size: str) -> None:
        self.where = where
        where.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", where], check=True, capture_output=True)

    def remount(self, option: str) -> None:
        """Change its size or make it read-only."""
        subprocess.run(["mount", "-o", f"remount,{option}", self.where], check=True)

    def remove(self) -> None:
        """Unmount it."""
        subprocess.run(["umount", "-l", self.where], check=True)
        self.where.rmdir()


def on_small_disk(arena: Arena, attack: Callable[[Arena, SmallDisk], None]) -> None:
    """Run `attack` in an arena of its own whose sessions lie on a disk of 600 KiB, then check that one."""
    disk = SmallDisk(arena.root / "disk", "600k")
    try:
        inner = Arena(arena.root / "inner", arena.rng, arena.tally)
        inner.sessions = disk.where / "sessions"
        attack(inner, disk)
        inner.check()
    finally:
        disk.remove()
        shutil.rmtree(arena.root / "inner", ignore_errors=True)


def disk_full(arena: Arena) -> None:
    """The disk fills while recording; the error must say so, and room later makes the session whole."""

    def attack(inner: Arena, disk: SmallDisk) -> None:
        def work(writer: SessionWriter, fd: int) -> None:
            try:
                worker.send(writer, inner.spec, list(range(FOREVER)), fd, 0.0001)
            except SessionError as error:
                os._exit(10 if "No space left on device" in str(error) else 11)

        pid = inner.start(work)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if code != 10:
            raise Broken(f"a full disk ended the recorder with {code}")
        disk.remount("size=16m")

    on_small_disk(arena, attack)


def disk_read_only(arena: Arena) -> None:
    """The disk turns read-only: a clear refusal, and what was sealed stays as it was."""

    def attack(inner: Arena, disk: SmallDisk) -> None:
        pid = inner.start(sealer(inner, 300))
        os.waitpid(pid, 0)
        disk.remount("ro")
        for attempt in (inner.writer, lambda: recover(inner.sessions)):
            try:
                attempt()
                raise Broken("a read-only disk was not noticed")
            except SessionError as error:
                if "Read-only" not in str(error):
                    raise Broken(f"unclear: {error}") from error
        disk.remount("rw")

    on_small_disk(arena, attack)


OWN_CHECK = (lossy, disk_full, disk_read_only)
WAYS: tuple[Callable[[Arena], None], ...] = (
    kill_while_writing,
    kill_while_flushing,
    kill_while_sealing,
    kill_while_recovering,
    sigterm,
    sigint_twice,
    read_while_writing,
    *OWN_CHECK,
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    done: Counter[str] = Counter()
    failures: list[str] = []
    impossible: Counter[str] = Counter()
    tally = Tally()
    with tempfile.TemporaryDirectory() as root, Progress(auto_refresh=False, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("torture", total=arguments.rounds)
        arena = Arena(Path(root) / "0", rng, tally)
        for index in range(arguments.rounds):
            if len(arena.hashes) >= SESSIONS_A_DIRECTORY:
                arena = Arena(Path(root) / str(index), rng, tally)
            way = WAYS[index % len(WAYS)]
            try:
                way(arena)
                if way not in OWN_CHECK:
                    arena.check()
                done[way.__name__] += 1
            except subprocess.CalledProcessError:
                impossible[way.__name__] += 1
            except Exception as error:
                failures.append(f"round {index}, {way.__name__}: {type(error).__name__}: {error}")
                print(failures[-1], file=sys.stderr)
                arena = Arena(Path(root) / f"{index}-fresh", rng, tally)
            bar.update(task, advance=1, description=f"{way.__name__}, {len(failures)} failures", refresh=True)
            if bar.disable and index % 50 == 49:
                print(f"{index + 1} of {arguments.rounds} rounds, {len(failures)} failures", flush=True)
    survived = sum(done.values())
    lines = [
        row("rounds in which every promise held", survived, "rounds", "rounds run", arguments.rounds, 1.0),
        row("largest loss", max(max(tally.losses, default=0.0), 1e-3), "s", "bound", LOSS_S, 1.0, less_is_better=True),
        Row("rows checked byte by byte", tally.rows, "rows", "", None, None, None, tally.rows > 0),
    ]
    for way in WAYS:
        name, run, failed = way.__name__, done[way.__name__], sum(f"{way.__name__}:" in line for line in failures)
        note = f"{name}: not possible here (needs the right to mount)" if impossible[name] else name
        lines.append(Row(note, run, "rounds", "failed", failed, None, None, not failed and not impossible[name]))
    report("torture", lines)
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
