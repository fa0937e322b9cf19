"""Which command is heard, worked out by hand."""

import json

import numpy as np
import pytest

from sim.controllers import SETTLE_NS, Applied, CommandIgnored, Controllers
from sim.trajectory import Point
from sim.truth import TruthLog
from turn_rl_ros.core.errors import TurnRlError

SECOND = 1_000_000_000
START = np.array([0.5, -0.5])


@pytest.fixture
def controllers():
    return Controllers(("a", "b"), START)


def values(controllers, until_ns=SECOND):
    applied = controllers.command(until_ns)
    return applied.source, applied.interface, applied.values.tolist()


def test_before_the_first_command_the_arm_is_held_where_it_is(controllers):
    assert values(controllers) == ("hold", "position", [0.5, -0.5])


def test_the_last_command_stays_in_force(controllers):
    controllers.forward("velocity", [1.0, 2.0])
    for until in (SECOND, 100 * SECOND):
        assert values(controllers, until) == ("forward_velocity_controller", "velocity", [1.0, 2.0])


def test_the_newest_source_wins(controllers):
    controllers.forward("velocity", [1.0, 2.0])
    controllers.forward("position", [0.1, 0.2])
    assert values(controllers) == ("forward_position_controller", "position", [0.1, 0.2])
    controllers.trajectory(["a", "b"], [Point(1.0, [0.0, 0.0])], 0, START)
    assert values(controllers)[0] == "joint_trajectory_controller"
    controllers.forward("velocity", [3.0, 4.0])
    assert values(controllers) == ("forward_velocity_controller", "velocity", [3.0, 4.0])


@pytest.mark.parametrize("bad", [[1.0], [1.0, 2.0, 3.0], [], [np.nan, 0.0], [0.0, np.inf]])
def test_a_malformed_command_is_counted_and_leaves_the_last_one_in_force(controllers, bad):
    controllers.forward("velocity", [1.0, 2.0])
    with pytest.raises(CommandIgnored, match="forward_velocity_controller ignored"):
        controllers.forward("velocity", bad)
    assert values(controllers)[2] == [1.0, 2.0]
    assert controllers.ignored == {"forward_velocity_controller": 1}


def test_a_trajectory_runs_in_straight_lines_between_its_points_and_holds_the_last(controllers):
    """From (0.5, -0.5): to (1.5, 0.5) at 1 s, to (1.5, 2.5) at 2 s; begins at 10 s."""
    controllers.trajectory(["a", "b"], [Point(1.0, [1.5, 0.5]), Point(2.0, [1.5, 2.5])], 10 * SECOND, START)
    expected = {9.0: (0.5, -0.5), 10.0: (0.5, -0.5), 10.5: (1.0, 0.0), 11.0: (1.5, 0.5), 11.25: (1.5, 1.0)}
    expected |= {12.0: (1.5, 2.5), 99.0: (1.5, 2.5)}
    for time_s, target in expected.items():
        np.testing.assert_allclose(controllers.command(round(time_s * SECOND)).values, target)


def test_a_trajectory_may_name_the_joints_in_any_order(controllers):
    controllers.trajectory(["b", "a"], [Point(1.0, [7.0, 8.0])], 0, START)
    assert values(controllers, 2 * SECOND)[2] == [8.0, 7.0]


@pytest.mark.parametrize(
    ("names", "seconds", "positions"),
    [
        (["a"], [1.0], [[0.0]]),
        (["a", "c"], [1.0], [[0.0, 0.0]]),
        (["a", "b"], [], []),
        (["a", "b"], [1.0], [[0.0]]),
        (["a", "b"], [1.0, 1.0], [[0.0, 0.0], [1.0, 1.0]]),
        (["a", "b"], [-1.0], [[0.0, 0.0]]),
        (["a", "b"], [1.0], [[0.0, np.nan]]),
    ],
)
def test_a_malformed_trajectory_is_ignored(controllers, names, seconds, positions):
    with pytest.raises(CommandIgnored, match="joint_trajectory_controller ignored"):
        controllers.trajectory(names, [Point(*one) for one in zip(seconds, positions, strict=True)], 0, START)
    assert values(controllers)[0] == "hold"
    assert controllers.ignored == {"joint_trajectory_controller": 1}


def test_on_the_way_home_commands_are_not_obeyed_and_afterwards_it_holds_there(controllers):
    home = np.zeros(2)
    controllers.go_home(home, 2.0, SECOND, START)
    controllers.forward("velocity", [1.0, 1.0])
    assert values(controllers, 2 * SECOND) == ("home", "position", [0.25, -0.25])
    controllers.observe(home, 2 * SECOND)
    assert controllers.homing, "the way takes two seconds"
    controllers.observe(home, 3 * SECOND)
    assert not controllers.homing
    assert values(controllers, 4 * SECOND) == ("hold", "position", [0.0, 0.0]), "the command on the way is forgotten"
    controllers.forward("velocity", [1.0, 1.0])
    assert values(controllers)[0] == "forward_velocity_controller"


def test_an_arm_that_does_not_settle_at_home_is_given_up_on_after_a_second(controllers):
    controllers.go_home(np.zeros(2), 0.0, SECOND, START)
    controllers.observe(START, SECOND + SETTLE_NS - 1)
    assert controllers.homing
    controllers.observe(START, SECOND + SETTLE_NS)
    assert not controllers.homing


def test_the_truth_log_adds_a_line_a_tick(tmp_path):
    path = tmp_path / "truth.jsonl"
    state = (np.array([1.0]), np.array([2.0]), np.array([0.0]))
    after = (np.array([1.1]), np.array([2.1]), np.array([0.0]))
    for _ in range(2):
        log = TruthLog(str(path))
        log.write(5, state, Applied("home", "position", np.array([3.0])), 7, after)
        log.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert (
        lines
        == [
            {
                "stamp_ns": 5,
                "joint_position": [1.0],
                "joint_velocity": [2.0],
                "source": "home",
                "interface": "position",
                "command": [3.0],
                "next_stamp_ns": 7,
                "next_joint_position": [1.1],
                "next_joint_velocity": [2.1],
            }
        ]
        * 2
    )


def test_a_log_that_cannot_be_written_is_one_clear_line():
    with pytest.raises(TurnRlError, match="log_path = '/nowhere/log': cannot write there"):
        TruthLog("/nowhere/log")


def test_a_velocity_that_nobody_renews_stays_or_with_a_timeout_becomes_zero():
    """0.1 s of time-out and periods of 0.05 s: the third period without a word is zero."""
    for timeout_ns, expected in ((0, [0.5, 0.5, 0.5, 0.5]), (100_000_000, [0.5, 0.5, 0.0, 0.0])):
        controllers = Controllers(("a",), np.zeros(1), timeout_ns)
        controllers.forward("velocity", [0.5])
        told = [controllers.command(k * 50_000_000).values[0] for k in range(1, 5)]
        assert told == expected
