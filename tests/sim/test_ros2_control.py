"""The stand-in's controllers against ros2_control's documentation; each test quotes the sentence that it holds.

Pages below https://control.ros.org/jazzy/doc/: `jtc` is ros2_controllers/joint_trajectory_controller/doc/userdoc.html,
`trajectory` and `parameters` are its pages "Trajectory Representation" and "Details about parameters", `cm` is
ros2_control/controller_manager/doc/userdoc.html. `source` is ros2_controllers 4.42.1.
"""

import numpy as np
import pytest

from sim.ros2_control import TRAJECTORY, ControllerManager
from sim.trajectory import CommandIgnored, Constraints, Point, TrajectoryController, plan

SECOND = 1_000_000_000
NAMES = ("a", "b")
HERE = np.array([0.5, -0.5])
REST = np.zeros(2)
VELOCITY, POSITION = "forward_velocity_controller", "forward_position_controller"


def way(points, names=NAMES, start_ns=0, now_ns=10 * SECOND, here=(HERE, REST), partial=False):
    return plan(NAMES, names, points, start_ns, now_ns, here, partial)


def manager(**constraints):
    return ControllerManager(NAMES, HERE, Constraints(**constraints))


def told(made, now_s=0.0, position=HERE, velocity=REST):
    applied = made.update(round(now_s * SECOND), round(now_s * SECOND) + 10_000_000, position, velocity)
    return applied.source, applied.interface, applied.values.tolist()


def follow(made, points, now_s=0.0, names=NAMES, start_ns=0):
    made.follow(names, points, start_ns, round(now_s * SECOND), (HERE, REST))


# The trajectory


def test_zero_time_means_start_now_and_one_point_is_enough():
    """jtc: "Even trajectories with only one point are accepted"; trajectory: "zero time ... means start now"."""
    made = way([Point(2.0, [1.5, 0.5])])
    np.testing.assert_allclose(made.at(11 * SECOND)[0], [1.0, 0.0])
    np.testing.assert_allclose(made.at(99 * SECOND)[0], [1.5, 0.5])


def test_a_stamp_in_the_future_is_waited_for():
    """trajectory: "the time at which a new trajectory should start executing by means of the header timestamp"."""
    made = way([Point(2.0, [1.5, 0.5])], start_ns=20 * SECOND)
    np.testing.assert_allclose(made.at(20 * SECOND)[0], HERE)
    np.testing.assert_allclose(made.at(21 * SECOND)[0], [1.0, 0.0])


def test_waypoints_in_the_past_are_discarded():
    """trajectory (Rolling): "the first waypoint is discarded and only the second one is realized". Now is 10 s."""
    made = way([Point(1.0, [9.0, 9.0]), Point(3.0, [1.5, 0.5])], start_ns=8 * SECOND)
    np.testing.assert_allclose(made.at(round(10.5 * SECOND))[0], [1.0, 0.0])


def test_a_trajectory_that_ends_in_the_past_is_refused():
    """source, validate_trajectory_msg: "Received trajectory with non-zero start time that ends in the past"."""
    with pytest.raises(CommandIgnored, match="ends in the past"):
        way([Point(1.0, [1.5, 0.5])], start_ns=8 * SECOND)


def test_positions_alone_are_joined_by_lines():
    """trajectory: "Linear: used, if only position is specified. Returns position and velocity"."""
    position, velocity = way([Point(2.0, [1.5, 0.5])]).at(10 * SECOND + SECOND // 2)
    np.testing.assert_allclose(position, [0.75, -0.25])
    np.testing.assert_allclose(velocity, [0.5, 0.5])


def test_positions_and_velocities_are_joined_by_a_cubic():
    """trajectory: "Cubic: used, if position and velocity are specified". Rest to rest: 3 s^2 - 2 s^3 of the way."""
    made = way([Point(2.0, [1.5, 0.5], [0.0, 0.0])])
    np.testing.assert_allclose(made.at(10 * SECOND + SECOND // 2)[0], HERE + (3 / 16 - 2 / 64))
    np.testing.assert_allclose(made.at(11 * SECOND)[1], [0.75, 0.75])


def test_with_accelerations_it_is_a_quintic():
    """trajectory: "Quintic: used, if position, velocity and acceleration are specified"; 10 s^3 - 15 s^4 + 6 s^5."""
    made = way([Point(2.0, [1.5, 0.5], [0.0, 0.0], [0.0, 0.0])])
    np.testing.assert_allclose(made.at(10 * SECOND + SECOND // 2)[0], HERE + (10 / 64 - 15 / 256 + 6 / 1024))


def test_a_first_point_at_zero_is_not_led_up_to():
    """trajectory: "If the first point is starting at t=0, there is no interpolation from the initial point"."""
    made = way([Point(0.0, [9.0, 9.0]), Point(2.0, [1.0, 1.0])])
    np.testing.assert_allclose(made.at(11 * SECOND)[0], [5.0, 5.0])


def test_joints_may_stand_in_any_order_and_none_may_be_missing():
    """jtc: "require specifying values for all the controller joints ... if allow_partial_joints_goal is not set"."""
    np.testing.assert_allclose(way([Point(1.0, [7.0, 8.0])], names=["b", "a"]).at(12 * SECOND)[0], [8.0, 7.0])
    with pytest.raises(CommandIgnored, match="joints b; expected a, b"):
        way([Point(1.0, [7.0])], names=["b"])


def test_with_partial_goals_the_missing_joints_hold_their_position():
    """source, fill_partial_goal: "Assume hold position with 0 velocity and acceleration for missing joints"."""
    made = way([Point(1.0, [7.0])], names=["b"], partial=True)
    np.testing.assert_allclose(made.at(12 * SECOND)[0], [0.5, 7.0])


@pytest.mark.parametrize(
    ("names", "points", "says"),
    [
        (["a", "c"], [Point(1.0, [0.0, 0.0])], "expected a, b"),
        (["a", "a"], [Point(1.0, [0.0, 0.0])], "expected a, b"),
        (NAMES, [], "empty"),
        (NAMES, [Point(1.0, [0.0])], "one position a joint"),
        (NAMES, [Point(1.0, [0.0, 0.0]), Point(1.0, [1.0, 1.0])], "time_from_start must increase"),
        (NAMES, [Point(1.0, [0.0, 0.0], [0.0])], "one a joint in every point"),
        (NAMES, [Point(1.0, [0.0, np.nan])], "finite"),
    ],
)
def test_what_validate_trajectory_msg_refuses(names, points, says):
    """source, validate_trajectory_msg, check by check; its trajectory before stays in force."""
    made = manager()
    made.activate(TRAJECTORY, HERE)
    follow(made, [Point(1.0, [1.5, 0.5])])
    with pytest.raises(CommandIgnored, match=says):
        follow(made, points, names=names)
    assert told(made, 5.0, np.array([1.5, 0.5]))[2] == [1.5, 0.5]


def test_the_last_velocity_has_to_be_zero():
    """parameters, allow_nonzero_velocity_at_trajectory_end: "If false, the last velocity point has to be zero or the
    goal will be rejected"."""
    with pytest.raises(CommandIgnored, match="last point is not zero"):
        way([Point(1.0, [0.0, 0.0], [0.1, 0.0])])


# The trajectory controller


def test_it_starts_by_holding_position():
    """source, on_activate: "The controller should start by holding position at the beginning of active state"."""
    made = manager()
    made.activate(TRAJECTORY, HERE)
    assert told(made) == (TRAJECTORY, "position", [0.5, -0.5])


def test_the_last_point_is_held_until_a_new_command():
    """trajectory: "After the last waypoint is reached, its position is held until new commands arrive"."""
    made = manager()
    made.activate(TRAJECTORY, HERE)
    follow(made, [Point(1.0, [1.5, 0.5])])
    assert told(made, 1000.0, np.array([1.5, 0.5]))[2] == [1.5, 0.5]


def test_a_new_trajectory_replaces_the_old_one():
    """trajectory (Jazzy): "The current implementation just forgets the old trajectory"."""
    made = manager()
    made.activate(TRAJECTORY, HERE)
    follow(made, [Point(1.0, [1.5, 0.5]), Point(2.0, [9.0, 9.0])])
    follow(made, [Point(1.0, [0.0, 0.0])], now_s=0.5)
    assert told(made, 3.0, REST)[2] == [0.0, 0.0]


def test_a_violated_path_tolerance_holds_the_current_position():
    """jtc: "If state tolerances are violated, the trajectory is aborted and the current position is held"."""
    made = manager(trajectory=0.2)
    made.activate(TRAJECTORY, HERE)
    follow(made, [Point(1.0, [1.5, 0.5])])
    assert told(made, 0.1)[2] == pytest.approx([0.61, -0.39]), "0.1 rad behind is within"
    assert told(made, 0.5)[2] == [0.5, -0.5], "0.5 rad behind is not"
    assert told(made, 5.0, HERE + 0.1)[2] == [0.5, -0.5], "it stays there"
    assert made.trajectory.gave_up == "state tolerance violation"


def test_zero_goal_time_waits_for_ever():
    """parameters, constraints.goal_time: "If set to zero, the controller will wait a potentially infinite amount"."""
    made = manager(goal=0.1)
    made.activate(TRAJECTORY, HERE)
    follow(made, [Point(1.0, [1.5, 0.5])])
    assert told(made, 1000.0)[2] == [1.5, 0.5]


def test_after_goal_time_outside_the_goal_tolerance_it_holds_where_it_is():
    """parameters, goal_time: "Time tolerance for achieving trajectory goal". 0.5 s; the arm is 0.2 short."""
    made = manager(goal=0.1, goal_time_s=0.5)
    made.activate(TRAJECTORY, HERE)
    follow(made, [Point(1.0, [1.5, 0.5])])
    short = np.array([1.3, 0.3])
    assert told(made, 1.4, short)[2] == [1.5, 0.5]
    assert told(made, 1.6, short)[2] == [1.3, 0.3]


def test_an_arm_that_still_moves_has_not_arrived():
    """parameters, stopped_velocity_tolerance: "Velocity tolerance ... that indicates that [it] is stopped"."""
    made = manager(goal_time_s=0.5, stopped_velocity=0.01)
    made.activate(TRAJECTORY, HERE)
    follow(made, [Point(1.0, [1.5, 0.5])])
    there = np.array([1.5, 0.5])
    assert told(made, 1.6, there, np.array([0.009, 0.0]))[2] == [1.5, 0.5]
    assert told(made, 1.7, there + 0.1, np.array([0.02, 0.0]))[2] == pytest.approx([1.6, 0.6])


def test_cmd_timeout_counts_from_the_end_and_must_exceed_goal_time():
    """parameters, cmd_timeout: "Timeout is counted from the end of the trajectory"; "must be greater than
    constraints.goal_time, otherwise ignored"; "If zero, timeout is deactivated"."""
    sagged = np.array([1.45, 0.45])
    for timeout_s, goal_time_s, expected in ((2.0, 1.0, sagged), (1.0, 2.0, [1.5, 0.5]), (0.0, 0.0, [1.5, 0.5])):
        made = TrajectoryController(NAMES, Constraints(goal=0.1, goal_time_s=goal_time_s, cmd_timeout_s=timeout_s))
        made.start(HERE)
        made.take(NAMES, [Point(1.0, [1.5, 0.5])], 0, 0, (HERE, REST))
        np.testing.assert_allclose(made.update(round(2.9 * SECOND), 3 * SECOND, sagged, REST), [1.5, 0.5])
        np.testing.assert_allclose(made.update(round(3.1 * SECOND), 4 * SECOND, sagged, REST), expected)


# Forward controllers


def test_a_forward_controller_repeats_its_last_command_for_ever():
    """source, ForwardControllersBase::update: every cycle sets the last message's values; there is no time-out."""
    made = manager()
    made.activate(VELOCITY, HERE)
    made.command(VELOCITY, [0.1, 0.2])
    for now_s in (0.0, 1.0, 1000.0):
        assert told(made, now_s) == (VELOCITY, "velocity", [0.1, 0.2])


def test_a_value_that_is_not_finite_drops_the_message():
    """source, on_configure: "Non-finite value received. Dropping message"."""
    made = manager()
    made.activate(VELOCITY, HERE)
    made.command(VELOCITY, [0.1, 0.2])
    with pytest.raises(CommandIgnored, match="b is not finite"):
        made.command(VELOCITY, [0.0, np.inf])
    assert told(made)[2] == [0.1, 0.2]


def test_a_wrong_number_of_values_costs_the_controller_its_place():
    """source, update: "command size does not match number of interfaces" is return_type::ERROR; cm: "the controller
    manager will deactivate that controller"."""
    made = manager()
    made.activate(VELOCITY, HERE)
    made.command(VELOCITY, [0.1, 0.2])
    made.command(VELOCITY, [0.1])
    assert told(made, 1.0, HERE + 1.0) == ("hold", "position", [1.5, 0.5])
    assert made.active == "" and made.ignored == {VELOCITY: 1}


def test_activation_forgets_what_came_before():
    """source, on_activate: "reset command buffer if a command came through callback when controller was inactive"."""
    made = manager()
    made.activate(VELOCITY, HERE)
    made.command(VELOCITY, [0.1, 0.2])
    made.activate(TRAJECTORY, HERE)
    with pytest.raises(CommandIgnored, match="it is not active"):
        made.command(VELOCITY, [0.3, 0.3])
    made.activate(VELOCITY, HERE)
    assert told(made) == ("hold", "position", [0.5, -0.5])


# The controller manager


def test_one_controller_has_the_joints():
    """controller_manager_msgs/SwitchController, FORCE_AUTO: "deactivate any controllers that block the activation"."""
    made = manager()
    made.activate(TRAJECTORY, HERE)
    made.activate(POSITION, HERE)
    assert made.states == {VELOCITY: "inactive", POSITION: "active", TRAJECTORY: "inactive"}
    with pytest.raises(CommandIgnored, match="joint_trajectory_controller ignored: it is not active"):
        follow(made, [Point(1.0, [1.5, 0.5])])
    with pytest.raises(KeyError):
        made.activate("no_such_controller", HERE)
