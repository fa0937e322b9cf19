"""Every state is tagged by its tick, so a mix-up of observation, action and next observation shows."""

import itertools

import numpy as np
import pytest

from turn_rl_ros.core.assembler import Assembler
from turn_rl_ros.core.decision import NO_EPISODE, Decision
from turn_rl_ros.core.task import make_spec

PERIOD_NS = 50_000_000
GOAL = np.array([1.2, 1.7, 0.0])


def stamp(tick):
    return 1_000_000_000 + tick * PERIOD_NS


def place(tick):
    """The gantry walks along the columns of row 0, one cell a tick."""
    return np.array([0.0, 0.1 * tick])


def decision(tick, episode=0, step=None):
    return Decision(stamp(tick), episode, tick if step is None else step, 0, GOAL, place(tick + 1))


@pytest.fixture
def assembler():
    return Assembler(make_spec({"kind": "gridworld"}))


def feed(assembler, events):
    rows = []
    for kind, value in events:
        rows += (
            assembler.state(place(value), np.zeros(2), stamp(value)) if kind == "state" else assembler.executed(value)
        )
    return rows


def in_order(ticks, **options):
    for tick in ticks:
        yield "state", tick
        yield "executed", decision(tick, **options)


def test_rows_carry_the_state_the_action_answered_and_the_one_it_led_to(assembler):
    rows = feed(assembler, in_order(range(5))) + feed(assembler, [("state", 5)]) + assembler.finish()
    assert [row.stamp_ns for row in rows] == [stamp(t) for t in range(5)]
    for tick, row in enumerate(rows):
        np.testing.assert_array_equal(row.observation, [0, tick])
        np.testing.assert_array_equal(row.next_observation, [0, tick + 1])
        assert row.action == 4, "the column grew by one: right"
        assert row.step == tick
    assert [row.truncated for row in rows] == [False] * 4 + [True]
    assert not assembler.dropped


def test_any_order_of_arrival_within_two_ticks_gives_the_same_rows():
    expected = None
    events = [*in_order(range(3)), ("state", 3)]
    for order in itertools.permutations(range(len(events))):
        if any(abs(at - index) > 3 for at, index in enumerate(order)):
            continue
        executed = [i for i in order if events[i][0] == "executed"]
        if executed != sorted(executed):
            continue  # one topic keeps its own order
        assembler = Assembler(make_spec({"kind": "gridworld"}))
        rows = feed(assembler, (events[i] for i in order)) + assembler.finish()
        found = [(r.stamp_ns, r.next_stamp_ns, int(r.action), r.truncated) for r in rows]
        expected = expected or found
        assert found == expected
    assert expected is not None and len(expected) == 3


def test_reward_is_that_of_the_state_the_action_led_to(assembler):
    there = np.array([1.2, 1.7])
    assembler.state(there - [0, 0.1], np.zeros(2), stamp(0))
    assembler.executed(Decision(stamp(0), 0, 0, 0, GOAL, there))
    assembler.state(there, np.zeros(2), stamp(1))
    (row,) = assembler.finish()
    assert row.reward == 1.0


def test_a_new_episode_cuts_the_one_before_without_ending_it(assembler):
    events = [*in_order([0, 1]), ("state", 2), ("executed", decision(2, episode=1, step=0)), ("state", 3)]
    rows = feed(assembler, events) + assembler.finish()
    assert [(r.episode, r.truncated, r.terminated) for r in rows] == [
        (0, False, False),
        (0, True, False),
        (1, True, False),
    ]


def test_a_lost_state_drops_the_rows_that_need_it_and_says_so(assembler):
    events = [e for e in in_order(range(8)) if e != ("state", 2)]
    rows = feed(assembler, events) + assembler.finish()
    assert [r.step for r in rows] == [0, 3, 4, 5, 6]
    assert assembler.dropped == {"lost_next_state": 2, "lost_state": 1}, "1 (no next), 2 (no state), 7 (session over)"


def test_a_lost_command_cuts_the_episode_at_the_state_one_period_later(assembler):
    events = [e for e in in_order(range(6)) if not (e[0] == "executed" and e[1].step == 2)]
    rows = feed(assembler, events) + assembler.finish()
    assert [(r.step, r.truncated) for r in rows] == [(0, False), (1, True), (3, False), (4, False)]
    assert rows[1].next_stamp_ns == stamp(2)


def test_a_hold_is_no_transition_but_cuts_the_episode(assembler):
    hold = Decision(stamp(1), NO_EPISODE, 0, 0, np.zeros(3), place(1))
    rows = feed(assembler, [*in_order([0]), ("state", 1), ("executed", hold), ("state", 2)]) + assembler.finish()
    assert [(r.step, r.truncated) for r in rows] == [(0, True)]
    assert not assembler.dropped


def test_a_repeated_command_is_dropped_and_counted(assembler):
    feed(assembler, [*in_order([0, 1]), ("executed", decision(1))])
    assert assembler.dropped == {"late_or_repeated_command": 1}


def test_states_at_five_times_the_control_rate_pair_with_those_that_were_answered(assembler):
    rows = []
    for k in range(26):
        at = 1_000_000_000 + k * PERIOD_NS // 5
        rows += assembler.state(np.array([0.0, 0.02 * k]), np.zeros(2), at)
        if k % 5 == 0:
            rows += assembler.executed(Decision(at, 0, k // 5, 0, GOAL, np.array([0.0, 0.02 * k + 0.1])))
    rows += assembler.finish()
    assert [r.next_stamp_ns - r.stamp_ns for r in rows] == [PERIOD_NS] * 5
    np.testing.assert_allclose(np.diff([r.joint_position[1] for r in rows]), 0.1)
