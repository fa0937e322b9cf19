"""Real rclpy and real DDS, each test in a domain of its own on this machine alone."""

import itertools
import os
from functools import partial

import pytest

rclpy = pytest.importorskip("rclpy", reason="rclpy is not installed (pip install 'turn_rl_ros[ros]')")

_domains = itertools.count(1)


@pytest.fixture
def domain(monkeypatch):
    """A ROS_DOMAIN_ID that no other test of this run, and hardly one of another run, uses."""
    number = 1 + (os.getpid() * 7 + next(_domains)) % 100
    monkeypatch.setenv("ROS_DOMAIN_ID", str(number))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    return number


@pytest.fixture
def ros(domain):
    """rclpy, initialised in a domain of its own."""
    rclpy.init()
    yield rclpy
    rclpy.try_shutdown()


@pytest.fixture
def starter():
    """Turns a kind of bench into a function that starts one with the parameters given; all are closed in the end."""
    benches = []

    def starter(kind):
        def start(**parameters):
            benches.append(kind(**parameters))
            return benches[-1]

        return start

    yield starter
    for bench in benches:
        bench.close()


@pytest.fixture
def make(ros, tmp_path, starter):
    """Makes guards on the bench (`guard_bench.Bench`) with the parameters given."""
    from tests.ros.guard_bench import Bench

    return starter(partial(Bench, tmp_path))
