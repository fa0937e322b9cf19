"""Real kills of real processes: nothing that was flushed may be lost, doubted or unreadable."""

import errno
import os
import random
import resource
import shutil
import signal
import time

import numpy as np
import pytest

from turn_rl_ros.data.errors import SessionError
from turn_rl_ros.data.manifest import sealed_files, verify
from turn_rl_ros.data.recover import recover
from turn_rl_ros.data.sealed import read_info, read_rows
from turn_rl_ros.data.session import SessionWriter


def assert_whole(directory, sender, spec, numbers):
    """One sealed session with exactly these rows, on the manifest, and no leftovers."""
    (path,) = sealed_files(directory)
    assert read_rows(read_info(path)).tobytes() == sender.expected_rows(np.asarray(numbers), spec).tobytes()
    assert verify(directory) == []
    leftovers = {p.name for p in directory.iterdir()} - {path.name, "manifest.json", ".recording.lock"}
    assert leftovers == set()


@pytest.mark.parametrize("seed", range(10))
def test_sigkill_while_writing_loses_at_most_half_a_second(tmp_path, spec, sender, seed):
    sessions, log = tmp_path / "sessions", tmp_path / "log"

    def work():
        writer = SessionWriter(sessions, spec)
        fd = os.open(log, os.O_WRONLY | os.O_CREAT)
        sender.send(writer, spec, list(range(10**6)), fd, pause_s=0.002)

    child = sender.fork(work)
    while not log.exists():
        time.sleep(0.005)
    time.sleep(random.Random(seed).uniform(0.0, 1.2))  # beyond the bound, or too large a loss could not show
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    numbers, times = sender.read_log(log)
    (found,) = recover(sessions)
    assert found.rows <= len(numbers)
    assert_whole(sessions, sender, spec, numbers[: found.rows])
    if found.rows < len(numbers):
        assert times[-1] - times[found.rows] <= 0.5
    assert recover(sessions) == []
    assert read_info(found.path).facts["stop_reason"] == "recovered after a crash"


def test_kill_before_every_file_operation_of_a_session(tmp_path, spec, sender, in_child, kill_at):
    for n in range(1, 60):
        directory = tmp_path / str(n)
        directory.mkdir()

        def work(directory=directory, n=n):
            kill_at(n)
            writer = SessionWriter(directory, spec)
            sender.send(writer, spec, list(range(30)), os.open("/dev/null", os.O_WRONLY), 0)
            writer.flush()
            writer.seal("done")

        code = in_child(work)
        assert code in (0, -signal.SIGKILL)
        recover(directory)
        files = sealed_files(directory)
        rows = read_info(files[0]).rows if files else 0
        assert rows in (0, 30)
        if files:
            assert_whole(directory, sender, spec, range(rows))
        if code == 0:
            assert rows == 30 and n > 10
            return
    pytest.fail("the session never got through")


def test_kill_before_every_file_operation_of_a_recovery(tmp_path, spec, sender, in_child, kill_at):
    leftover = tmp_path / "leftover"
    with SessionWriter(leftover, spec) as writer:
        for number in range(30):
            writer.append(sender.transition(number, spec))
    for n in range(1, 60):
        directory = tmp_path / str(n)
        shutil.copytree(leftover, directory)

        def work(directory=directory, n=n):
            kill_at(n)
            recover(directory)

        code = in_child(work)
        recover(directory)
        assert_whole(directory, sender, spec, range(30))
        if code == 0:
            assert n > 8
            return
    pytest.fail("the recovery never got through")


def test_disk_full_is_one_line_and_keeps_what_was_written(small_disk, spec, sender):
    disk, remount = small_disk
    writer = SessionWriter(disk / "sessions", spec)
    with pytest.raises(SessionError, match="No space left on device") as caught:
        for number in range(10**5):
            writer.append(sender.transition(number, spec))
            if number % 50 == 49:
                writer.flush()
    assert "\n" not in str(caught.value) and "turn-rl data recover" in str(caught.value)
    with pytest.raises(SessionError, match="No space left"):
        writer.seal("window over")
    safe = writer.rows - writer.backlog
    remount("size=8m")
    (found,) = recover(disk / "sessions")
    assert found.rows == safe > 50
    assert_whole(disk / "sessions", sender, spec, range(safe))


def test_no_room_to_seal_keeps_the_part(small_disk, spec, sender):
    disk, remount = small_disk
    writer = SessionWriter(disk / "sessions", spec)
    for number in range(1500):  # about 300 KB: fits once, not twice
        writer.append(sender.transition(number, spec))
    with pytest.raises(SessionError, match="its 1500 rows are safe"):
        writer.seal("window over")
    assert sealed_files(disk / "sessions") == []
    remount("size=8m")
    recover(disk / "sessions")
    assert_whole(disk / "sessions", sender, spec, range(1500))


def test_read_only_disk_is_refused_and_untouched(small_disk, spec, record):
    disk, remount = small_disk
    path = record(range(20), directory=disk / "sessions")
    before = path.read_bytes()
    remount("ro")
    with pytest.raises(SessionError, match="Read-only file system"):
        SessionWriter(disk / "sessions", spec)
    with pytest.raises(SessionError, match="Read-only file system"):
        recover(disk / "sessions")
    assert path.read_bytes() == before and verify(disk / "sessions") == []


def test_a_file_size_limit_is_reported_like_a_full_disk(tmp_path, spec, sender, in_child):
    def work():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        writer = SessionWriter(tmp_path, spec)
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))
        try:
            for number in range(10_000):
                writer.append(sender.transition(number, spec))
                writer.flush()
        except SessionError as error:
            os._exit(10 if os.strerror(errno.EFBIG) in str(error) else 11)

    assert in_child(work) == 10
    (found,) = recover(tmp_path)
    assert_whole(tmp_path, sender, spec, range(found.rows))
    assert found.rows > 50
