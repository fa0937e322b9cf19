import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turn_rl_ros.core.guard import Cause, Guard, GuardConfig, Window
from turn_rl_ros.core.task import make_spec

PERIOD_NS = 50_000_000


@pytest.fixture(scope="module")
def arm_spec():
    pytest.importorskip("pybullet_data")
    return make_spec({"kind": "reach"})


@pytest.fixture
def guard(arm_spec):
    guard = Guard(arm_spec, GuardConfig(max_acceleration=20.0, position_margin=0.0))
    guard.observe(np.array([0.0, 0.0, 0.0, -1.5, 0.0, 1.5, 0.0]), PERIOD_NS)
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
        guard.observe(np.array([0.0, 0.0, 0.0, -1.5, 0.0, 1.5, 0.0]), tick * PERIOD_NS)
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
    guard.observe(np.zeros(7), 4 * PERIOD_NS)
    assert guard.allow(np.full(7, 0.5), PERIOD_NS)[1] == Cause.STALE_COMMAND


def test_silence_counts_from_the_last_accepted_command(guard):
    guard.allow(np.zeros(7), PERIOD_NS)
    for tick in (2, 3):
        guard.observe(np.zeros(7), tick * PERIOD_NS)
        assert not guard.silent()
    guard.observe(np.zeros(7), 4 * PERIOD_NS)
    assert guard.silent()


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True, width=64), min_size=30, max_size=30), st.floats(-2.9, 2.9)
)
def test_whatever_is_asked_an_ideal_joint_never_leaves_its_limits(arm_spec, stream, start):
    guard = Guard(arm_spec, GuardConfig(max_acceleration=20.0, position_margin=0.05))
    position = np.array([np.clip(start, -2.8, 2.8), 0.0, 0.0, -1.5, 0.0, 1.5, 0.0])
    low, high = np.array(arm_spec.joint_low), np.array(arm_spec.joint_high)
    for tick, value in enumerate(stream):
        guard.observe(position, (tick + 1) * PERIOD_NS)
        command, _ = guard.allow(np.array([value, *[-5.0] * 6]), (tick + 1) * PERIOD_NS)
        position = position + 0.05 * command
        assert (position >= low).all() and (position <= high).all()


def test_position_control_holds_where_the_arm_was_measured_never_at_zero():
    spec = make_spec({"kind": "gridworld"})
    guard = Guard(spec, GuardConfig())
    assert not guard.can_hold
    with pytest.raises(RuntimeError):
        guard.hold()
    guard.observe(np.array([0.2, 0.8]), PERIOD_NS)
    np.testing.assert_array_equal(guard.hold(), [0.2, 0.8])
    guard.observe(np.array([0.3, 0.8]), 2 * PERIOD_NS)
    np.testing.assert_array_equal(guard.hold(), [0.2, 0.8], "a hold that follows the drift is no hold")


def test_a_grid_command_may_go_one_cell_and_not_outside():
    spec = make_spec({"kind": "gridworld"})
    guard = Guard(spec, GuardConfig())
    guard.observe(np.array([0.0, 0.8]), PERIOD_NS)
    np.testing.assert_allclose(guard.allow(np.array([-0.1, 0.8]), PERIOD_NS)[0], [0.0, 0.8])
    command, cause = guard.allow(np.array([0.5, 0.8]), PERIOD_NS)
    np.testing.assert_allclose(command, [0.1, 0.8], atol=1e-9)
    assert cause == Cause.VELOCITY_LIMIT


def test_a_window_of_a_second_at_20_hz_is_20_ticks_long():
    window = Window(1.0)
    ticks = [window.tick(7_000_000_000 + k * PERIOD_NS) for k in range(21)]
    assert ticks == [False] * 20 + [True]
    assert window.used_s == pytest.approx(1.0)


def test_a_clock_that_runs_backwards_ends_the_window():
    window = Window(60.0)
    window.tick(PERIOD_NS * 10)
    assert window.tick(PERIOD_NS * 9)
    assert window.tick(PERIOD_NS * 11), "and nothing opens it again"
