"""Bags whose every message was given by hand, so that every row can be worked out by hand."""

import math

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="rosbags is not installed (pip install 'turn_rl_ros[bags]')")
import bag_data as made
from bag_data import at, convert, numbers, state

from turn_rl_ros.data.bags.errors import BagError


def walk(ticks, speed=0.5):
    """Joint a at `speed` rad/s, and before each next state the command that makes it so."""
    for tick in ticks:
        yield state(tick, (0.1 * speed * tick, 0.0), (speed, 0.0))
        yield numbers(tick + 0.2, (speed, 0.0))


def test_a_command_answers_the_state_before_it_and_leads_to_the_one_of_the_next_command(tmp_path):
    rows, notes = convert(tmp_path, [*walk(range(4)), state(4, (0.2, 0.0))], commands=made.COMMANDED)
    np.testing.assert_array_equal(rows["stamp_ns"], [at(0), at(1), at(2), at(3)])
    np.testing.assert_array_equal(rows["next_stamp_ns"], [at(1), at(2), at(3), at(4)])
    np.testing.assert_allclose(rows["joint_position"][:, 0], [0.0, 0.05, 0.1, 0.15])
    np.testing.assert_allclose(rows["next_joint_position"][:, 0], [0.05, 0.1, 0.15, 0.2])
    np.testing.assert_array_equal(rows["actions"], np.tile(np.float32([0.5, 0.0]), (4, 1)))
    assert rows["timeouts"].tolist() == [False, False, False, True]
    assert set(rows["behaviour"]) == {-1}, "nobody knows what chose the actions"
    assert notes == ()


def test_the_goal_is_where_the_episode_ended(tmp_path):
    rows, _ = convert(tmp_path, [*walk(range(4)), state(4, (0.2, 0.0))], commands=made.COMMANDED)
    reached = [2 * math.cos(0.2), 2 * math.sin(0.2), 0.0]
    np.testing.assert_allclose(rows["goal"], np.tile(reached, (4, 1)))
    here = np.array([2 * math.cos(0.15), 2 * math.sin(0.15), 0.0])
    np.testing.assert_allclose(rows["observations"][3][-3:], np.subtract(reached, here), rtol=1e-5)
    assert rows["rewards"][3] == 0.0, "there, and within the radius"


def test_goals_on_a_topic_hold_until_the_next_one_and_begin_episodes(tmp_path):
    messages = [*walk(range(6)), state(6, (0.3, 0.0)), made.goal(0.1, 1.0, 1.0), made.goal(3.1, 0.5, 1.5)]
    rows, _ = convert(
        tmp_path, sorted(messages, key=lambda one: one[0]), commands=made.COMMANDED, goal=made.Goals("topic", "/goal")
    )
    assert rows["goal"][:, :2].tolist() == [[1.0, 1.0]] * 3 + [[0.5, 1.5]] * 3
    assert rows["episode"].tolist() == [0, 0, 0, 1, 1, 1]
    assert rows["step"].tolist() == [0, 1, 2, 0, 1, 2]


def test_commands_before_the_first_goal_are_counted_not_used(tmp_path):
    messages = sorted([*walk(range(6)), state(6, (0.3, 0.0)), made.goal(2.1, 1.0, 1.0)], key=lambda one: one[0])
    rows, notes = convert(tmp_path, messages, commands=made.COMMANDED, goal=made.Goals("topic", "/goal"))
    assert rows["stamp_ns"].tolist() == [at(2), at(3), at(4), at(5)]
    assert notes == ("/commands, message 1: no goal came before it on /goal (2 such messages)",)


def test_each_message_on_the_episode_topic_begins_an_episode(tmp_path):
    messages = sorted([*walk(range(6)), state(6, (0.3, 0.0)), made.text(1.5), made.text(4.5)], key=lambda one: one[0])
    rows, _ = convert(tmp_path, messages, commands=made.COMMANDED, episodes=made.Episodes(topic="/episode"))
    assert rows["episode"].tolist() == [0, 0, 1, 1, 1, 2]
    assert rows["timeouts"].tolist() == [False, True, False, False, True, True]


def test_an_episode_ends_after_so_many_steps(tmp_path):
    messages = [*walk(range(6)), state(6, (0.3, 0.0))]
    rows, _ = convert(tmp_path, messages, commands=made.COMMANDED, episodes=made.Episodes(steps=4))
    assert rows["episode"].tolist() == [0, 0, 0, 0, 1, 1]


def test_a_gap_in_the_commands_ends_the_episode_and_bridges_nothing(tmp_path):
    messages = [m for m in walk(range(40)) if m[1] == "/joint_states" or not 10 < (m[0] - at(0)) / 1e8 < 30]
    rows, notes = convert(tmp_path, messages, commands=made.COMMANDED)
    assert not set(rows["stamp_ns"]) & {at(tick) for tick in range(10, 30)}
    assert (rows["next_stamp_ns"] - rows["stamp_ns"] == 100_000_000).all()
    assert rows["episode"].tolist() == [0] * 10 + [1] * 9, "the last command has no state after it"
    assert notes[0] == "/commands, message 11: 2.1 s without a usable command before it; the episode ends there"


def test_no_command_recorded_actions_are_what_the_joints_did(tmp_path):
    angles = [0.0, 0.1, 0.3, 0.35]
    rows, _ = convert(tmp_path, [state(tick, (angle, 0.0)) for tick, angle in enumerate(angles)])
    np.testing.assert_allclose(rows["actions"][:, 0], [1.0, 2.0, 0.5], rtol=1e-6)


def test_derived_actions_span_control_periods_not_states(tmp_path):
    """States at 50 Hz, control at 10 Hz."""
    messages = [state(tick / 5, (0.01 * tick, 0.0)) for tick in range(16)]
    rows, _ = convert(tmp_path, messages)
    assert rows["stamp_ns"].tolist() == [at(0), at(1), at(2)]
    np.testing.assert_allclose(rows["actions"][:, 0], 0.5, rtol=1e-6)


def test_states_that_do_not_fit_the_control_rate_are_refused(tmp_path):
    with pytest.raises(BagError, match=r"/joint_states, message 2: 66.7 ms after the state before, not the control"):
        convert(tmp_path, [state(tick / 1.5, (0.0, 0.0)) for tick in range(9)])


@pytest.mark.parametrize("kind", ["joint state", "trajectory", "numbers"])
def test_a_commanded_position_is_the_velocity_that_leads_there_in_one_period(tmp_path, kind):
    def command(tick, a, b):
        if kind == "joint state":
            return state(tick, (b, a), names=("b", "a"), topic="/commands")
        return made.trajectory(tick, (a, b)) if kind == "trajectory" else numbers(tick, (a, b))

    messages = []
    for tick in range(4):
        messages += [state(tick, (0.1 * tick, 0.0)), command(tick + 0.1, 0.1 * tick + 0.1, -0.05)]
    rows, _ = convert(tmp_path, [*messages, state(4, (0.4, 0.0))], commands=made.Commands("/commands", "position"))
    np.testing.assert_allclose(rows["actions"], np.tile([1.0, -0.5], (4, 1)), rtol=1e-5)


def test_a_trajectory_of_several_points_is_no_command_of_one_period(tmp_path):
    messages = [state(0, (0.0, 0.0)), made.trajectory(0.1, (0.1, 0.0), (0.2, 0.0)), state(1, (0.1, 0.0))]
    with pytest.raises(BagError, match=r"/commands, message 1: a trajectory of 2 points is a plan"):
        convert(tmp_path, messages, commands=made.Commands("/commands", "position"))


def test_an_end_effector_velocity_is_the_action_itself(tmp_path):
    spec = made.planar_spec(tmp_path, action="ee_velocity")
    messages = []
    for tick in range(3):
        messages += [state(tick, (0.3, 1.2)), made.twist(tick + 0.1, 0.1, -0.2)]
    rows, _ = convert(tmp_path, [*messages, state(3, (0.3, 1.2))], spec, commands=made.COMMANDED)
    np.testing.assert_allclose(rows["actions"], np.tile([0.1, -0.2, 0.0], (3, 1)), atol=1e-6)


def test_header_stamps_pair_a_command_that_was_recorded_late(tmp_path):
    """It answers state 0 by its header, state 1 by the time of its arrival."""
    late = state(0.2, (0.5, 0.0), (0.5, 0.0), topic="/commands")
    messages = [state(0, (0.0, 0.0)), state(1, (0.05, 0.0)), (at(1.1), "/commands", late[2]), state(2, (0.1, 0.0))]
    rows, _ = convert(tmp_path, messages, commands=made.Commands("/commands", "velocity", time="receive"))
    assert rows["stamp_ns"].tolist() == [at(1)]
    messages.insert(1, messages.pop(2))  # between the two states, as the recorder may well have it
    (tmp_path / "other").mkdir()
    by_header = made.Commands("/commands", "velocity", time="header")
    rows, _ = convert(tmp_path / "other", messages, commands=by_header)
    assert rows["stamp_ns"].tolist() == [at(0)]


def test_an_encoder_wrap_is_named_and_no_row_spans_it(tmp_path):
    angles = [0.0, 0.05, 0.1, 0.15, 1.7, 1.75, 1.8]
    rows, notes = convert(tmp_path, [state(tick, (angle, 0.0), (0.5, 0.0)) for tick, angle in enumerate(angles)])
    assert rows["stamp_ns"].tolist() == [at(0), at(1), at(2), at(4), at(5)]
    assert rows["episode"].tolist() == [0, 0, 0, 1, 1]
    assert notes[0] == "/joint_states, message 5: a jumped by 1.55 in 100 ms at 0.50 /s (an encoder wrap?)"


def test_a_fast_move_that_its_velocity_explains_is_no_wrap(tmp_path):
    angles = [0.0, 0.18, 0.36, 0.9]
    spec = made.planar_spec(tmp_path, max_joint_velocity=8.0)
    _, notes = convert(tmp_path, [state(t, (angle, 0.0), (5.0, 0.0)) for t, angle in enumerate(angles)], spec)
    assert notes == ()


def test_a_clock_that_goes_back_separates_what_is_before_from_what_is_after(tmp_path):
    times = [5, 6, 7, 0, 1, 2]
    messages = [(at(n), "/joint_states", state(tick, (0.0, 0.0))[2]) for n, tick in enumerate(times)]
    rows, notes = convert(tmp_path, messages)
    assert rows["stamp_ns"].tolist() == [at(5), at(6), at(0), at(1)]
    assert "message 4: its stamp is 0.700 s before that of the one before" in notes[0]


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([state(t, (0.0, 0.0), stamp=0) for t in range(3)], "message 1: its header stamp is zero"),
        ([state(t, (0.0, 0.0), names=()) for t in range(3)], "message 1: it has no joint names"),
        ([state(t, (0.0, 0.0), names=("a", "c")) for t in range(3)], "message 1: it has no joint 'b', it has a, c"),
        ([state(t, (0.0, 0.0), ()) for t in range(3)], "message 1: it has no velocities"),
        ([state(t, (0.0, 0.0), stamp=at(0)) for t in range(3)], "message 2: it has the stamp of the one before"),
        ([state(t, (math.nan, 0.0)) for t in range(3)], "message 1: position of a is not finite"),
        ([state(t, (1.0, 0.0, 2.0)) for t in range(3)], "message 1: 2 names and 3 position values"),
        ([state(t, (0.25 * t, 0.0)) for t in range(3)], "message 2: its action a = 2.5 rad/s is outside the task's"),
        ([made.text(0)], "has no topic '/joint_states' for states; it has /episode"),
    ],
)  # fmt: skip
def test_a_bag_without_a_usable_row_is_refused_with_topic_message_and_cause(tmp_path, messages, words):
    with pytest.raises(BagError) as caught:
        convert(tmp_path, messages)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "sessions").exists()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((0.5, 0.0), "a decision has at least 9 values, this message has 2"),
        ((*[0.0] * 9, 0.5), "it commands 1 joints, the task has 2"),
        ((math.nan,) * 11, "a number of the record is not finite"),
    ],
)
def test_numbers_that_are_no_record_of_a_guard_are_refused(tmp_path, values, words):
    messages = [state(0, (0.0, 0.0)), numbers(0.1, values), state(1, (0.1, 0.0))]
    with pytest.raises(BagError, match=f"/commands, message 1: {words}"):
        convert(tmp_path, messages, commands=made.Commands("/commands", "guard"))


def test_names_and_velocities_that_are_not_recorded_can_be_given_and_derived(tmp_path):
    angles = [0.0, 0.1, 0.3, 0.3]
    messages = [state(tick, (0.0, angle), (), names=()) for tick, angle in enumerate(angles)]
    states = made.States(names=("x", "y"), joints=("y", "x"), velocity="difference")
    rows, _ = convert(tmp_path, messages, states=states)
    np.testing.assert_allclose(rows["joint_position"][:, 0], [0.0, 0.1, 0.3])
    np.testing.assert_allclose(rows["joint_velocity"][:, 0], [0.0, 1.0, 2.0], rtol=1e-9)


def test_future_goals_lie_on_the_way_and_copies_have_episodes_of_their_own(tmp_path):
    messages = [*walk(range(9)), state(9, (0.45, 0.0))]
    rows, _ = convert(tmp_path, messages, commands=made.COMMANDED, goal=made.Goals("future", copies=3))
    assert sorted(set(rows["episode"])) == [0, 1, 2]
    for episode in range(3):
        own = rows[rows["episode"] == episode]
        angle = own["next_joint_position"][-1, 0]
        np.testing.assert_allclose(own["goal"][0], [2 * math.cos(angle), 2 * math.sin(angle), 0.0])
