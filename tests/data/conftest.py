"""A sender whose every row is a function of its number, so that any row can be checked without the code under test."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks import torture_worker


@pytest.fixture(scope="session")
def sender():
    return torture_worker


@pytest.fixture(scope="session")
def spec():
    return torture_worker.torture_spec()


@pytest.fixture
def record(tmp_path, spec):
    """Seal a session of the rows `numbers`; gives its path."""
    from turn_rl_ros.data.session import SessionWriter

    def make(numbers, directory=tmp_path, **arguments):
        writer = SessionWriter(directory, spec, **arguments)
        for number in numbers:
            writer.append(torture_worker.transition(number, spec))
        return writer.seal("window over", {"window_used_s": 1.5})

    return make


@pytest.fixture
def in_child():
    """Run a function in a forked child; gives the exit code, or minus the signal that killed it."""

    def run(work):
        _, status = os.waitpid(torture_worker.fork(work), 0)
        return os.waitstatus_to_exitcode(status)

    return run


@pytest.fixture
def kill_at():
    """Make this process die of SIGKILL just before its n-th file operation from now on; call it in a child."""

    def arm(n):
        left = [n]

        def hook(event, _):
            if event in ("open", "os.link", "os.rename", "os.remove", "os.truncate", "os.listdir", "os.scandir"):
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)

    return arm


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 512 KiB, as a function that sets its size."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if (
        shutil.which("mount") is None
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "none", disk], capture_output=True).returncode
    ):
        pytest.skip("cannot mount a small tmpfs here")
    yield disk, lambda option: subprocess.run(["mount", "-o", f"remount,{option}", disk], check=True)
    subprocess.run(["umount", "-l", disk], check=True)
