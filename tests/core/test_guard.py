import numpy as np
import pytest

from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.guard.guard import Cause, Guard, GuardConfig
from turn_rl_ros.core.task import make_spec

PERIOD_NS = 50_000_000
HOME, REST = np.array([0.0, 0.0, 0.0, -1.5, 0.0, 1.5, 0.0]), np.zeros(7)
GRID = GuardConfig(position_margin=0.0, max_acceleration=1000.0)


@pytest.fixture(scope="module")
def arm_spec():
    pytest.importorskip("pybullet_data")
    return make_spec({"kind": "reach"})


@pytest.fixture
def guard(arm_spec):
    guard = Guard(arm_spec, GuardConfig(max_acceleration=20.0, position_margin=0.0))
    guard.observe(HOME, REST, PERIOD_NS)
    return guard


def test_a_command_within_limits_passes_unchanged(guard):
    wanted = np.full(7, 0.5)
    command, cause = guard.allow(wanted, PERIOD_NS)
    assert cause == Cause.NONE
    np.testing.assert_array_equal(command, wanted)


def test_acceleration_limit_allows_one_rad_per_s_in_a_period_of_50_ms_at_20_rad_per_s2(guard):
    command, cause = guard.allow(np.full(7, 1.5), PERIOD_NS)
    assert cause == Cause.ACCELERATION_LIMIT
    np.testing.assert_allclose(command, 1.0)


def test_velocity_limit_is_the_urdf_s(guard, arm_spec):
    for tick in range(1, 4):
        guard.observe(HOME, REST, tick * PERIOD_NS)
        command, cause = guard.allow(np.full(7, 100.0), tick * PERIOD_NS)
    assert cause & Cause.VELOCITY_LIMIT
    assert (command <= np.array(arm_spec.joint_velocity)).all()
    assert command[0] == pytest.approx(arm_spec.joint_velocity[0])


@pytest.mark.parametrize("bad", [[np.nan] * 7, [np.inf] * 7, [0.1] * 6, []])
def test_a_malformed_command_is_a_hold(guard, bad):
    command, cause = guard.allow(bad, PERIOD_NS)
    assert cause == Cause.BAD_COMMAND
    np.testing.assert_array_equal(command, np.zeros(7))


def test_a_command_for_a_state_three_periods_old_is_a_hold(guard):
    guard.observe(HOME, REST, 4 * PERIOD_NS)
    assert guard.allow(np.full(7, 0.5), PERIOD_NS)[1] == Cause.STALE_COMMAND


def test_silence_counts_from_the_last_accepted_command(guard):
    guard.allow(np.zeros(7), PERIOD_NS)
    for tick in (2, 3):
        guard.observe(HOME, REST, tick * PERIOD_NS)
        assert not guard.silent
    guard.observe(HOME, REST, 4 * PERIOD_NS)
    assert guard.silent


def test_position_control_holds_where_the_arm_was_measured_never_at_zero():
    spec = make_spec({"kind": "gridworld"})
    guard = Guard(spec, GRID)
    assert not guard.can_hold
    with pytest.raises(RuntimeError):
        guard.hold()
    guard.observe(np.array([0.2, 0.8]), np.zeros(2), PERIOD_NS)
    np.testing.assert_array_equal(guard.hold(), [0.2, 0.8])
    guard.observe(np.array([0.3, 0.8]), np.zeros(2), 2 * PERIOD_NS)
    np.testing.assert_array_equal(guard.hold(), [0.2, 0.8], "a hold that follows the drift is no hold")


def test_a_grid_command_may_go_one_cell_and_not_outside():
    spec = make_spec({"kind": "gridworld"})
    guard = Guard(spec, GRID)
    guard.observe(np.array([0.0, 0.8]), np.zeros(2), PERIOD_NS)
    np.testing.assert_allclose(guard.allow(np.array([-0.1, 0.8]), PERIOD_NS)[0], [0.0, 0.8], atol=1e-8)
    guard.observe(np.array([0.0, 0.8]), np.zeros(2), 2 * PERIOD_NS)
    command, cause = guard.allow(np.array([0.5, 0.8]), 2 * PERIOD_NS)
    np.testing.assert_allclose(command, [0.1, 0.8], atol=1e-9)
    assert cause == Cause.VELOCITY_LIMIT


@pytest.fixture(scope="module")
def grid():
    return make_spec({"kind": "gridworld"})


def run(guard, ticks, command, first=2, position=HOME):
    """Commands at each of `ticks` periods after the fixture's first state; what the guard made of them."""
    said = []
    for tick in range(first, first + ticks):
        guard.observe(position + 1e-6 * tick, REST, tick * PERIOD_NS)
        said.append(guard.allow(command, tick * PERIOD_NS))
    return said


def test_a_burst_within_a_period_gains_nothing(guard):
    """20 rad/s^2 over 50 ms is 1 rad/s, however many commands ask for more."""
    for _ in range(10):
        command, cause = guard.allow(np.full(7, 2.0), PERIOD_NS)
    np.testing.assert_allclose(command, 1.0)
    assert cause == Cause.REPEATED_COMMAND


def test_a_hold_from_full_speed_is_a_stop_at_the_acceleration_limit(arm_spec):
    guard = Guard(arm_spec, GuardConfig(max_acceleration=10.0))
    guard.observe(HOME, REST, PERIOD_NS)
    run(guard, 5, np.full(7, 1.0))
    stop = []
    for tick in range(7, 10):
        guard.observe(HOME, REST, tick * PERIOD_NS)
        stop.append(guard.hold()[0])
    assert stop == pytest.approx([0.5, 0.0, 0.0])
    assert guard.at_rest


def test_a_stop_goes_on_when_joint_states_do_not(guard):
    """At 20 rad/s^2 from 1 rad/s: 25 ms later it is half of it, another 25 ms later it is rest."""
    guard.allow(np.full(7, 1.0), PERIOD_NS)
    assert guard.hold(PERIOD_NS + 25_000_000)[0] == pytest.approx(0.5)
    assert guard.hold(PERIOD_NS + 50_000_000)[0] == pytest.approx(0.0)


def test_after_a_gap_commands_continue_from_the_speed_that_was_measured(guard):
    """An arm found moving at 0.8 rad/s is not told to stand at once: 20 rad/s^2 allow 1 rad/s less, so 0.8 to -0.2."""
    guard.observe(HOME, np.full(7, 0.8), 20 * PERIOD_NS)
    command, cause = guard.allow(np.full(7, -0.5), 20 * PERIOD_NS)
    assert cause == Cause.ACCELERATION_LIMIT
    np.testing.assert_allclose(command, -0.2)


def test_an_executor_that_is_late_does_not_let_a_joint_run_into_its_limit(arm_spec):
    """Joint 7 at 2 rad/s, 0.25 rad from its limit; a stop at 20 rad/s^2 from there takes 0.1 rad and a period more."""
    guard = Guard(arm_spec, GuardConfig(position_margin=0.0))
    position, speed = HOME.copy(), np.zeros(7)
    position[6] = arm_spec.joint_high[6] - 0.75
    for tick in range(1, 12):
        guard.observe(position, speed, tick * PERIOD_NS)
        if tick <= 4:
            speed, _ = guard.allow([0, 0, 0, 0, 0, 0, 2.0], tick * PERIOD_NS)
        elif guard.silent:
            speed = guard.hold()
        else:
            speed = (guard.overdue(0.0) or (speed,))[0]
        position = position + 0.05 * speed
        if tick == 4:
            assert speed[6] == pytest.approx(2.0) and arm_spec.joint_high[6] - position[6] == pytest.approx(0.4)
        assert position[6] <= arm_spec.joint_high[6] + 1e-8
    assert not speed.any()


def test_joint_states_that_never_change_while_motion_is_commanded_are_frozen(arm_spec):
    """0.5 rad/s for 50 ms is 0.025 rad a period: the eighth unmoved state makes it more than 0.19 rad."""
    guard = Guard(arm_spec, GuardConfig(frozen_travel=0.19))
    frozen = []
    for tick in range(1, 12):
        guard.observe(HOME, REST, tick * PERIOD_NS)
        frozen.append(guard.frozen)
        guard.allow(np.full(7, 0.5), tick * PERIOD_NS)
    assert frozen.index(True) == 8
    guard.observe(HOME + 1e-12, REST, 12 * PERIOD_NS)
    assert not guard.frozen, "one bit of difference is life"


def test_towards_the_end_of_the_window_speed_falls_to_rest(guard):
    """At 20 rad/s^2, 0.1 s before the end at most 2 rad/s, 0.05 s before it 1, at the end 0."""
    speeds = []
    for tick, left_s in enumerate([0.2, 0.15, 0.1, 0.05, 0.0], start=2):
        guard.observe(HOME, REST, tick * PERIOD_NS)
        speeds.append(guard.allow(np.full(7, 2.1), tick * PERIOD_NS, left_s)[0][0])
    assert speeds == pytest.approx([1.0, 2.0, 2.0, 1.0, 0.0], abs=1e-6)


def test_a_clock_that_jumps_back_does_not_keep_a_hold_from_stopping(guard):
    guard.allow(np.full(7, 1.0), PERIOD_NS)
    guard.observe(HOME, REST, -100 * PERIOD_NS)
    assert not guard.hold().any()


def test_per_joint_lists_tighten_the_limits(arm_spec):
    guard = Guard(
        arm_spec, GuardConfig(joint_velocity=(0.3,) * 6 + (0.2,), joint_high=(1.0,) * 3 + (-1.0, 1.0, 2.0, 1.0))
    )
    guard.observe(HOME, REST, PERIOD_NS)
    ((command, cause),) = run(guard, 1, np.full(7, 0.9))
    assert cause == Cause.VELOCITY_LIMIT
    np.testing.assert_allclose(command, [0.3] * 6 + [0.2])


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"joint_velocity": (0.3,) * 6}, "6 values for 7 joints"),
        ({"joint_velocity": (0.3,) * 6 + (9.0,)}, r"joint_velocity\[6\] = 9 is looser"),
        ({"joint_low": (-1.0,) * 3 + (-4.0,) + (-0.05,) * 3}, r"joint_low\[3\] = -4 is looser"),
        ({"joint_acceleration": (30.0,) * 7}, "looser"),
        ({"joint_high": (-2.9,) * 7, "position_margin": 0.1}, "leave panda_joint1 no room"),
        ({"box_low": (0.0, 0.0)}, "box_low has 2 values"),
        ({"box_low": (0.0, 0.0, 1.0), "box_high": (1.0, 1.0, 1.0)}, "must lie below"),
    ],
)
def test_parameters_that_loosen_or_do_not_fit_are_refused(arm_spec, parameters, words):
    with pytest.raises(ConfigError, match=words):
        Guard(arm_spec, GuardConfig(**parameters))


def test_a_workspace_needs_a_chain(grid):
    with pytest.raises(ConfigError, match="has none"):
        Guard(grid, GuardConfig(position_margin=0.0, min_height=0.1))
