"""Whatever is asked: 140,000 command streams through the guard, none of which breaks a limit.

Joint limits do not couple joints, so one guard of a thousand unlike joints judges a thousand streams at once; faults
of a whole message (NaN, wrong length, bursts, gaps, stale stamps) are drawn anew in each run. The joints are ideal:
they do what they were told last, until they are told otherwise.
"""

import numpy as np
import pytest

from turn_rl_ros.core.guard.config import GuardConfig
from turn_rl_ros.core.guard.guard import Guard
from turn_rl_ros.core.spec import Box, TaskSpec

JOINTS, RUNS, TICKS = 1000, 50, 60
PERIOD_S, PERIOD_NS = 0.05, 50_000_000
ACCELERATION, JERK = 4.0, 60.0
TINY = 1e-6


def spec_of(rng, interface):
    """Joints of every kind: wide and narrow, slow and fast."""
    names = tuple(f"j{i}" for i in range(JOINTS))
    low = rng.uniform(-4, 0, JOINTS)
    high = low + 10 ** rng.uniform(-1, 0.9, JOINTS)
    box = Box(names, ("rad/s",) * JOINTS, (-1.0,) * JOINTS, (1.0,) * JOINTS)
    speed = tuple(10 ** rng.uniform(-1, 0.6, JOINTS))
    units = ("rad",) * JOINTS
    return TaskSpec("t", "r", names, tuple(low), tuple(high), speed, units, interface, box, box, 20.0, 10)


def values(rng, kind, tick, speed):
    """One message of a stream: (JOINTS,) wanted velocities, or something that is no command at all."""
    if kind == "bang-bang":
        return np.where((tick // rng.integers(1, 12, JOINTS)) % 2, 1e9, -1e9)
    if kind == "one way":
        return np.where(np.arange(JOINTS) % 2, np.inf if rng.random() < 0.1 else 50.0, -50.0)
    if kind == "adversarial":
        odd = [np.nan, np.inf, -np.inf, 5e-324, -0.0, 1.8e308, 1e-300]
        message = rng.normal(0, 3, JOINTS)
        if rng.random() < 0.3:
            message[rng.integers(JOINTS)] = rng.choice(odd)
        return message[: rng.integers(JOINTS)] if rng.random() < 0.1 else message
    if kind == "denormal":
        return rng.choice([5e-324, -5e-324, 0.0, 1e-310], JOINTS)
    return rng.uniform(-2, 2, JOINTS) * speed


KINDS = ("uniform", "bang-bang", "one way", "adversarial", "denormal")


@pytest.mark.parametrize("jerk", [0.0, JERK], ids=["without jerk limit", "with jerk limit"])
@pytest.mark.parametrize("interface", ["velocity", "position"])
def test_no_stream_breaks_a_limit(interface, jerk):
    """50 runs without and 20 with a jerk limit, 1000 streams each: 140,000 in all."""
    config = GuardConfig(position_margin=0.0, max_acceleration=ACCELERATION, max_jerk=jerk, frozen_travel=0.0)
    for run in range(20 if jerk else RUNS):
        rng = np.random.default_rng([run, int(jerk), interface == "position"])
        spec = spec_of(rng, interface)
        with np.errstate(over="ignore", invalid="ignore"):
            check_run(Guard(spec, config), spec, rng, KINDS[run % len(KINDS)], jerk, gaps=not jerk or run % 2)


def check_run(guard, spec, rng, kind, jerk, gaps):
    low, high, top = np.array(spec.joint_low), np.array(spec.joint_high), np.array(spec.joint_velocity)
    position, velocity, acceleration = rng.uniform(low, high), np.zeros(JOINTS), np.zeros(JOINTS)
    told = position if spec.command_interface == "position" else velocity
    quiet, set_point = 0, spec.command_interface == "position"
    for tick in range(1, TICKS):
        stamp = tick * PERIOD_NS
        guard.observe(position, velocity, stamp)
        quiet = quiet - 1 if quiet else int(rng.integers(1, 8)) * (rng.random() < 0.1 * bool(gaps))
        told, before, waited_s = guard.hold() if guard.silent else (guard.overdue() or (told,))[0], told, 0.0
        if quiet and told is before and guard.hurries:
            waited_s = guard.limits.latency_s * rng.choice([0.0, 0.5])
            told = (guard.overdue(waited_s) or (told,))[0]
        if not quiet:
            for _ in range(rng.choice([1, 1, 1, 5])):
                wanted = values(rng, kind, tick, top)
                if spec.command_interface == "position" and len(wanted) == JOINTS:
                    wanted = position + wanted * PERIOD_S
                told, _ = guard.allow(wanted, stamp - int(rng.choice([0, 0, 0, 1, 5])) * PERIOD_NS)
        new = told if spec.command_interface == "velocity" else (told - position) / PERIOD_S
        assert np.isfinite(new).all()
        assert (np.abs(new) <= top + TINY).all(), "velocity"
        change = (new - velocity) / PERIOD_S
        if not (quiet and set_point):  # a joint whose set-point nobody moves stops there, whatever the guard says
            assert (np.abs(change) <= ACCELERATION + TINY).all(), f"acceleration, {kind}, tick {tick}"
        if jerk and not gaps:  # it is kept from command to command, so there has to be one
            assert (np.abs(change - acceleration) <= jerk * PERIOD_S + TINY).all(), f"jerk, {kind}, tick {tick}"
        position = position + velocity * waited_s + new * (PERIOD_S - waited_s)
        velocity, acceleration = new, change
        assert (position >= low - TINY).all() and (position <= high + TINY).all(), f"position, {kind}, tick {tick}"
