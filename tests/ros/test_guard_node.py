"""The guard node over real DDS: a tester node plays arm and executor."""

import json
import time

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from tests.ros.guard_bench import NAMES, PERIOD_NS, POSITION
from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.guard.guard import Cause
from turn_rl_ros.nodes import topics
from turn_rl_ros.nodes.guard import GuardNode

pytest.importorskip("pybullet_data", reason="the Panda's URDF comes with pybullet")


@pytest.fixture
def bench(make):
    return make().open()


def test_a_command_reaches_the_controller_with_the_stamp_of_its_state(bench):
    bench.state(0)
    bench.propose(0, [0.3] * 7)
    bench.until(lambda: bench.commands and bench.executed)
    assert bench.commands[0] == pytest.approx([0.3] * 7)
    assert bench.executed[0].stamp_ns == 10**9
    assert bench.executed[0].intervention == 0


def test_a_command_that_overtakes_its_state_waits_for_it(bench):
    bench.propose(0, [0.3] * 7)
    time.sleep(0.1)
    bench.executor.spin_once(timeout_sec=0.05)
    assert not bench.commands
    bench.state(0)
    bench.until(lambda: bench.commands)
    assert bench.commands[0] == pytest.approx([0.3] * 7)


def test_silence_of_the_executor_for_three_periods_is_a_hold(bench):
    for tick in range(4):
        bench.state(tick)
    bench.until(lambda: bench.commands and bench.executed)
    assert bench.commands[0] == [0.0] * 7
    assert bench.executed[0].episode == -1


@pytest.mark.parametrize("answers", [True, False])
def test_near_a_limit_the_executor_has_half_the_latency_to_answer(make, answers):
    """At 0.3 rad/s, 0.01 rad from the limit, another period (0.015 rad) is too much; half of 0.2 s is time enough."""
    bench = make(latency_s=0.2).open()
    bench.state(0)
    bench.propose(0, [0.3] * 7)
    bench.until(lambda: len(bench.executed) == 1)
    near = [*POSITION[:6], bench.guard.spec.joint_high[6] - 0.05 - 0.01]
    bench.state(1, near)
    if answers:
        bench.propose(1, [-0.1] * 7)
    bench.until(lambda: len(bench.executed) == 2)
    assert bench.executed[1].episode == (0 if answers else -1)
    assert bench.commands[1][6] == pytest.approx(-0.1) if answers else bench.commands[1][6] <= 0.2
    assert bench.executed[1].stamp_ns == bench.executed[0].stamp_ns + PERIOD_NS


def test_the_window_ends_with_a_hold_and_says_so(make):
    bench = make(window_s=0.5).open()
    for tick in range(10):
        bench.state(tick)
        bench.propose(tick, [0.3] * 7)
        bench.until(lambda tick=tick: len(bench.commands) == tick + 1)
    bench.state(10)
    bench.until(lambda: bench.states[-1]["phase"] == "closed")
    bench.until(lambda: len(bench.commands) == 11)
    assert bench.states[-1]["reason"] == "window used up"
    assert bench.states[-1]["used_s"] == pytest.approx(0.5)
    assert bench.commands[-1] == [0.0] * 7


@pytest.mark.parametrize(
    ("position", "names", "words"),
    [
        ([0.0, 0.41, float("nan"), -1.85, 0.0, 2.26, 0.79], NAMES, "panda_joint3 is not finite"),
        ([0.0] * 6, NAMES[:6], "no joint 'panda_joint7'"),
        ([0.0] * 3, NAMES, "7 names, 3 positions"),
    ],
)
def test_joint_states_that_make_no_sense_are_a_hold_and_then_the_end(bench, position, names, words):
    bench.state(0)
    bench.propose(0, [0.3] * 7)
    bench.until(lambda: len(bench.commands) == 1)
    bench.state(1, position, names)
    bench.until(lambda: len(bench.commands) > 1)
    assert abs(bench.commands[1][0]) < 0.3, "slower at once"
    bench.until(lambda: bench.commands[-1] == [0.0] * 7)
    bench.until(lambda: bench.states[-1]["phase"] == "closed")
    assert words in bench.states[-1]["reason"], "and the operator is told why"


def test_joint_states_that_stop_are_a_hold_and_then_the_end(bench):
    bench.state(0)
    bench.propose(0, [0.3] * 7)
    bench.until(lambda: bench.states[-1]["phase"] == "closed")
    assert bench.commands[-1] == [0.0] * 7
    assert "no joint_states for 1" in bench.states[-1]["reason"]


def test_joints_in_another_order_and_with_company_are_sorted_out(bench):
    order = ["gripper", *reversed(NAMES)]
    bench.state(0, [9.0, *reversed(POSITION)], order)
    bench.propose(0, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])
    bench.until(lambda: bench.commands)
    assert bench.commands[0] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])


def test_an_order_that_changes_within_a_window_is_a_hold_and_then_the_end(bench):
    bench.state(0)
    bench.propose(0, [0.3] * 7)
    bench.until(lambda: len(bench.commands) == 1)
    bench.state(1, list(reversed(POSITION)), list(reversed(NAMES)))
    bench.until(lambda: len(bench.executed) > 1)
    assert bench.executed[1].intervention == Cause.BAD_STATE
    bench.until(lambda: bench.states[-1]["phase"] == "closed")
    assert "changed its joints from panda_joint1" in bench.states[-1]["reason"]
    assert bench.commands[-1] == [0.0] * 7


def test_joint_states_that_repeat_themselves_are_no_joint_states(bench):
    bench.state(0)
    bench.propose(0, [0.3] * 7)
    assert "no joint_states for 1" in bench.until_closed(lambda tick: bench.state(0))
    assert bench.states[-1]["interventions"]["no_state"] >= 1


def test_the_window_ends_on_time_without_joint_states_too(make):
    bench = make(window_s=0.3).open()
    bench.state(0)
    bench.propose(0, [0.3] * 7)
    bench.until(lambda: bench.states[-1]["phase"] == "closed")
    assert bench.states[-1]["reason"] == "window used up"
    assert 0.3 <= bench.states[-1]["used_s"] < 1.0
    assert bench.commands[-1] == [0.0] * 7


def test_frozen_joint_states_are_a_hold_and_then_the_end(make):
    bench = make(frozen_travel=0.02).open()

    def say(tick):
        bench.state(tick)
        bench.propose(tick, [0.3] * 7)

    assert "stand still although the arm was told to move" in bench.until_closed(say)
    assert bench.states[-1]["interventions"]["frozen_state"] >= 1


def test_a_window_does_not_open_before_the_arm_is_heard(ros, tmp_path):
    guard = GuardNode(parameter_overrides=[Parameter("run_dir", value=str(tmp_path))])
    guard.trigger_configure()
    assert guard.trigger_activate() == TransitionCallbackReturn.FAILURE
    assert "no joint_states" in guard.fault
    guard.destroy_node()


def test_opening_a_window_holds_the_arm_at_once(make):
    """Whatever it was told last by others: an arm found moving is brought to rest, not left to its old command."""
    bench = make()
    bench.until(bench.opens)
    bench.until(lambda: bench.commands and bench.executed)
    assert bench.commands[0] == [0.0] * 7
    assert bench.executed[0].episode == -1


def test_a_window_that_closes_on_a_moving_arm_ramps_it_down(make):
    """From 0.3 rad/s at 4 rad/s^2, 0.2 rad/s less each period."""
    bench = make(max_acceleration=4.0).open()
    for tick in range(2):
        bench.state(tick)
        bench.propose(tick, [0.3] * 7)
        bench.until(lambda tick=tick: len(bench.commands) == tick + 1)
    bench.guard.trigger_deactivate()
    bench.until(lambda: bench.commands[-1] == [0.0] * 7)
    bench.until(lambda: not bench.executed[-1].command.any())
    steps = np.diff([decision.command[0] for decision in bench.executed])
    assert len(steps) >= 3
    assert (np.abs(steps) <= 4.0 * 0.05 + 1e-9).all()


def test_an_executor_that_stays_silent_ends_the_window(make):
    bench = make(executor_timeout_s=0.3).open()
    assert "is the executor running?" in bench.until_closed(bench.state)


def spend(bench, ticks, first=0):
    for tick in range(first, first + ticks):
        bench.state(tick)
        bench.propose(tick, [0.1] * 7)
        said = len(bench.commands)
        bench.until(lambda said=said: len(bench.commands) > said)


def test_a_restart_does_not_refill_a_window(make):
    first = make(window_s=2.0, window_id="turn 0").open()
    spend(first, 21)
    first.guard.trigger_deactivate()
    first.until(lambda: first.states[-1]["phase"] == "closed")
    assert first.states[-1]["used_s"] == pytest.approx(1.0)
    first.close()

    second = make(window_s=2.0, window_id="turn 0").open()
    assert second.guard.window.left_s == pytest.approx(1.0)
    spend(second, 20, first=100)
    second.state(120)
    second.until(lambda: second.states[-1]["phase"] == "closed")
    assert second.states[-1]["reason"] == "window used up"

    second.until(lambda: not second.opens() and "window used up" in second.guard.fault)
    second.guard.set_parameters([Parameter("window_id", value="turn 1")])
    second.open()
    assert second.guard.window.left_s == pytest.approx(2.0), "a new turn is a new grant"


def test_a_guard_that_is_killed_has_charged_more_than_it_used(make):
    bench = make(charge_ahead_s=1.0).open()
    spend(bench, 30)
    ledger = json.loads((bench.run_dir / "guard.json").read_text())
    assert 1.45 <= ledger["grants"]["by hand"]["seconds"] <= 2.5
    assert ledger["grants"]["by hand"]["steps"] >= 30


def test_a_worn_arm_stops_with_one_reason(make):
    bench = make(max_travel=0.1).open()
    for tick in range(4):
        bench.state(tick, [0.04 * tick, *POSITION[1:]])
        bench.propose(tick, [0.1] * 7)
    bench.until(lambda: bench.states[-1]["phase"] == "closed")
    assert bench.states[-1]["reason"] == "wear budget used up: travel of panda_joint1, 0.12 of 0.1"
    assert bench.commands[-1] == [0.0] * 7


def test_nobody_can_widen_its_limits_while_it_runs(bench):
    before = bench.guard.config
    for name, value in (("dry_run", True), ("executor_timeout_s", 300.0), ("max_tip_speed", 9.0)):
        (answer,) = bench.guard.set_parameters([Parameter(name, value=value)])
        assert not answer.successful
        assert answer.reason.startswith(f"{name} is fixed while the node runs")
    assert bench.guard.config == before


def test_between_windows_it_can_be_heard_and_in_one_it_says_only_what_was_executed(make):
    bench = make()
    bench.until(lambda: bench.probes >= 2)
    bench.open()
    bench.probes = 0
    for tick in range(10):
        bench.state(tick)
        bench.propose(tick, [0.1] * 7)
        bench.until(lambda: bench.executed)
        bench.executed.clear()
        time.sleep(0.05)
    assert bench.probes == 0


def test_a_second_guard_on_the_same_ledger_is_refused(bench):
    with pytest.raises(ConfigError, match="another guard keeps the ledger"):
        GuardNode(parameter_overrides=[Parameter("run_dir", value=str(bench.run_dir))])


def test_a_collector_that_dies_as_the_window_opens_is_missed_too(make):
    """It was heard before the window, and then no more."""
    bench = make()
    alive = topics.publish_on(bench.node, topics.DIAGNOSTICS)
    bench.until(lambda: alive.get_subscription_count())
    alive.publish(DiagnosticArray(status=[DiagnosticStatus(hardware_id="/collector")]))
    for _ in range(5):
        bench.executor.spin_once(timeout_sec=0.02)
    bench.open()

    def work(tick):
        bench.state(tick)
        bench.propose(tick, [0.01 * (tick % 2)] * 7)

    assert bench.until_closed(work) == "the collector is gone, nobody records"


def test_a_window_does_not_open_where_nobody_records(make):
    bench = make()
    bench.node.destroy_subscription(bench.recorder)
    bench.until(lambda: bench.guard._executed.get_subscription_count() == 0)
    assert not bench.opens()
    assert "guard/executed" in bench.guard.fault
