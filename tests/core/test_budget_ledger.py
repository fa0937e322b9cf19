"""The ledger on disk: kills, second guards, full disks, and files that are no ledger."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.guard.ledger import Ledger

WEAR = {"seconds": 3.0}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "guard.json"


def test_what_was_charged_is_there_after_a_restart(path):
    first = Ledger(path, "panda")
    first.charge("turn 0", {"seconds": 3.0}, WEAR)
    first.latch("button")
    first.flush()
    first.close()
    again = Ledger(path, "panda")
    assert (again.grant("turn 0"), again.wear, again.estop) == ({"seconds": 3.0}, WEAR, "button")
    assert again.grant("turn 1") == {}
    again.close()


def test_a_charge_reaches_the_disk_by_itself(path):
    ledger = Ledger(path, "panda")
    ledger.charge("turn 0", {"seconds": 3.0}, WEAR)
    deadline = time.monotonic() + 10
    while ledger.charged_s("turn 0") < 3.0:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    assert json.loads(path.read_text())["grants"]["turn 0"]["seconds"] == 3.0
    ledger.close()


def test_an_arm_has_one_guard(path):
    ledger = Ledger(path, "panda")
    with pytest.raises(ConfigError, match="another guard keeps the ledger"):
        Ledger(path, "panda")
    ledger.close()
    Ledger(path, "panda").close()


def test_a_ledger_of_another_robot_is_refused(path):
    ledger = Ledger(path, "panda")
    ledger.flush()
    ledger.close()
    with pytest.raises(ConfigError, match="is of the robot 'panda', not 'ur5e'"):
        Ledger(path, "ur5e")
    Ledger(path, "panda").close()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 99}', "\x00\x00"])
def test_a_file_that_is_no_ledger_is_refused_and_stays(path, text):
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"guard\.json"):
        Ledger(path, "panda")
    assert path.read_text() == text


def test_a_disk_that_refuses_is_a_fault_and_nothing_counts_as_charged(path, tmp_path):
    ledger = Ledger(path, "panda")
    (tmp_path / ".guard.json.new").mkdir()
    ledger.charge("turn 0", {"seconds": 3.0}, WEAR)
    ledger.flush()
    assert "cannot be written" in ledger.fault
    assert ledger.charged_s("turn 0") == 0.0
    ledger.close()


def test_killed_at_any_moment_the_ledger_never_says_less_than_it_said_before_use(path):
    """A process charges a second ahead, waits for the disk, then uses it; killed at random, it is never short."""
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom turn_rl_ros.core.guard.ledger import Ledger\n"
        "ledger = Ledger(Path(sys.argv[1]), 'panda')\nused = ledger.grant('w').get('seconds', 0)\n"
        "while True:\n    ledger.charge('w', {'seconds': used + 1}, {})\n"
        "    while ledger.charged_s('w') < used + 1: time.sleep(1e-4)\n    used += 1\n    print(used, flush=True)\n"
    )
    used = 0
    for round_ in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True, env={**os.environ}
        )
        for _ in range(1 + 3 * round_):
            process.stdout.readline()
        time.sleep(0.002 * round_)
        process.send_signal(signal.SIGKILL)
        rest = process.communicate()[0].split()
        used = max(used, *(int(value) for value in rest), 0) if rest else used
        assert json.loads(path.read_text())["grants"]["w"]["seconds"] >= used
