"""The executor node over real DDS: a tester node plays trainer, arm and guard."""

import time
from pathlib import Path

import numpy as np
import pytest
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger

from turn_rl_ros.core.artifact import pack
from turn_rl_ros.core.deployed import read_history
from turn_rl_ros.core.signature import SigningKey, make_key_pair
from turn_rl_ros.core.store import Parcel, PolicyStore, seal
from turn_rl_ros.core.task import make_spec, make_task
from turn_rl_ros.nodes import messages, topics
from turn_rl_ros.nodes.executor import Executor
from turn_rl_ros.nodes.spin import make_executor

STEPS = 4
TASK = {"kind": "gridworld", "episode_steps": STEPS}
SPEC = make_spec(TASK)
HOME = make_task(SPEC).home
GOAL = make_task(SPEC).sample_goal(np.random.default_rng(0))[:2]
UP, DOWN = 1, 2
"""Moves along the row, the first joint."""


def blob(turn, move):
    """A policy that always moves the same way."""
    bias = np.eye(5)[move].reshape(1, 1, 5)
    table = {"w0": np.zeros((1, 400, 5)), "b0": bias, "one_hot": np.array([20, 20])}
    return pack("argmax_q", table, SPEC, np.zeros((1, 2), dtype=np.float32), {"turn": turn, "algorithm": "test"})


class Bench:
    """The node under test and, on the same spinner, everybody else."""

    def __init__(self, rclpy, run_dir, **parameters):
        self.parameters = {"run_dir": str(run_dir), "home_every": 0, **parameters}
        self.parameters |= {f"task.{name}": value for name, value in TASK.items()}
        self.parameters |= {"behaviour.random_share": 0.0, "behaviour.policy_share": 1.0}
        self.node = rclpy.create_node("tester")
        self.spinner = make_executor()
        self.spinner.add_node(self.node)
        self.decisions, self.state, self.tick = [], {}, 0
        topics.listen_to(self.node, topics.EXECUTOR_STATE, self.on_state)
        topics.listen_to(self.node, topics.PROPOSED, lambda m: self.decisions.append(messages.message_to_decision(m)))
        self.joint_states = topics.publish_on(self.node, topics.JOINT_STATES)
        self.guard = topics.publish_on(self.node, topics.GUARD_STATE)
        self.executed = topics.publish_on(self.node, topics.EXECUTED)
        self.rollback = self.node.create_client(Trigger, topics.ROLLBACK_SERVICE)
        self.policy = self.executor = None

    def on_state(self, message):
        self.state = messages.message_to_state(message)

    def start(self):
        self.state = {}
        self.executor = Executor(parameter_overrides=[Parameter(k, value=v) for k, v in self.parameters.items()])
        self.executor.trigger_configure()
        self.spinner.add_node(self.executor)
        self.until(lambda: self.state)

    def stop(self):
        self.executor.close()
        self.spinner.remove_node(self.executor)
        self.executor.destroy_node()
        self.executor = None

    def send(self, parcel):
        """As a trainer that has just started: a publisher of its own."""
        self.withhold()
        self.policy = topics.publish_on(self.node, topics.POLICY)
        self.policy.publish(messages.policy_to_message(parcel))

    def withhold(self):
        if self.policy is not None:
            self.node.destroy_publisher(self.policy)
            self.policy = None

    def open(self):
        self.guard.publish(messages.state_to_message({"phase": "open"}))

        def opens():
            self.publish_state(HOME)
            self.spinner.spin_once(timeout_sec=0.05)
            return self.executor.trigger_activate() == TransitionCallbackReturn.SUCCESS

        self.until(opens)

    def publish_state(self, place):
        self.tick += 1
        message = JointState(name=list(SPEC.joint_names), position=list(place), velocity=[0.0, 0.0])
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(10**9 + self.tick * SPEC.period_ns, 10**9)
        self.joint_states.publish(message)

    def act(self, place=HOME):
        """One tick; the move that was proposed, 1 up or 2 down, and the decision."""
        self.publish_state(place)
        stamp_ns = 10**9 + self.tick * SPEC.period_ns
        self.until(lambda: self.decisions and self.decisions[-1].stamp_ns == stamp_ns)
        decision = self.decisions[-1]
        return (UP if decision.command[0] < place[0] else DOWN), decision

    def episodes(self, count, place):
        """Whole episodes, the arm standing still at `place`."""
        for _ in range(count * STEPS):
            self.act(place)

    def until(self, true, seconds=10.0):
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, f"it did not happen; the executor said {self.state}"
            self.spinner.spin_once(timeout_sec=0.02)

    def events(self):
        return [(event["event"], event.get("turn")) for event in read_history(Path(self.parameters["run_dir"]))]

    def close(self):
        if self.executor is not None:
            self.stop()
        self.spinner.shutdown()
        self.node.destroy_node()


@pytest.fixture
def make_bench(ros, tmp_path):
    made = []

    def make(**parameters):
        made.append(Bench(ros, tmp_path / "run", **parameters))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


def test_a_late_joiner_gets_the_policy_and_a_restart_finds_it_without_the_trainer(make_bench):
    bench = make_bench()
    bench.send(seal(blob(1, UP)))
    bench.start()
    bench.until(lambda: bench.state["turn"] == 1)
    bench.stop()
    bench.withhold()
    bench.start()
    assert bench.state["turn"] == 1, "from the disk, before anybody sent it"
    bench.open()
    assert bench.act()[0] == UP


@pytest.mark.parametrize("swap", ["episode", "tick"])
def test_a_new_policy_waits_for_the_next_episode_unless_asked(make_bench, swap):
    bench = make_bench(swap=swap)
    bench.start()
    bench.send(seal(blob(1, UP)))
    bench.until(lambda: bench.state["turn"] == 1)
    bench.open()
    while bench.act()[1].step != 1:
        pass
    bench.send(seal(blob(2, DOWN)))
    bench.until(lambda: bench.state["turn"] == 2)
    moves = [(move, decision.step) for move, decision in (bench.act() for _ in range(4))]
    at_once, later = [(DOWN, 2), (DOWN, 3), (DOWN, 0), (DOWN, 1)], [(UP, 2), (UP, 3), (DOWN, 0), (DOWN, 1)]
    assert moves == (at_once if swap == "tick" else later)


def test_a_damaged_policy_is_refused_and_the_old_one_stays(make_bench):
    bench = make_bench()
    bench.start()
    bench.send(seal(blob(1, UP)))
    bench.until(lambda: bench.state["turn"] == 1)
    damaged = bytearray(blob(2, DOWN))
    damaged[-1] ^= 1
    bench.send(Parcel(bytes(damaged), seal(blob(2, DOWN)).sha256))
    bench.until(lambda: "damaged on the way" in bench.state["refused"])
    assert bench.state["turn"] == 1
    bench.stop()
    assert bench.events() == [("taken", 1), ("refused", None)]


def test_a_rollback_goes_back_and_what_was_rolled_back_is_not_taken_again(make_bench):
    bench = make_bench()
    bench.start()
    for turn, move in ((1, UP), (2, DOWN)):
        bench.send(seal(blob(turn, move)))
        bench.until(lambda turn=turn: bench.state["turn"] == turn)
    bench.until(bench.rollback.service_is_ready)
    answer = bench.rollback.call_async(Trigger.Request())
    bench.until(answer.done)
    assert answer.result().success
    assert answer.result().message == "turn 2 rolled back to turn 1: asked for"
    bench.until(lambda: bench.state["turn"] == 1 and bench.state["withdrawn"] == [2])
    bench.send(seal(blob(2, DOWN)))
    bench.until(lambda: "turn 2 was rolled back" in bench.state["refused"])
    bench.stop()
    bench.withhold()
    bench.start()
    assert (bench.state["turn"], bench.state["withdrawn"]) == (1, [2]), "a restart knows it too"


def test_a_policy_that_is_worse_than_the_one_before_is_rolled_back_by_itself(make_bench):
    """The first earns 4 an episode, standing on the goal; the second, away from it, 0."""
    bench = make_bench(trial_episodes=5)
    bench.start()
    bench.send(seal(blob(1, UP)))
    bench.until(lambda: bench.state["turn"] == 1)
    bench.open()
    bench.episodes(8, GOAL)
    bench.executor.trigger_deactivate()
    bench.send(seal(blob(2, DOWN)))
    bench.until(lambda: bench.state["turn"] == 2)
    bench.open()
    bench.episodes(6, HOME)
    bench.until(lambda: bench.state["turn"] == 1)
    assert "0.00 on average, those of the policy before 4.00" in bench.state["rolled_back"]
    bench.episodes(1, HOME)  # what has begun is finished
    assert bench.act()[0] == UP
    bench.stop()
    assert bench.events()[2:5] == [("acted", 1), ("taken", 2), ("rolled back", 2)]


def test_a_policy_that_passed_its_trial_is_not_tried_again(make_bench):
    bench = make_bench(trial_episodes=2)
    bench.start()
    bench.send(seal(blob(1, UP)))
    bench.until(lambda: bench.state["turn"] == 1)
    for _ in range(2):
        bench.open()
        bench.episodes(4, HOME)
        bench.executor.trigger_deactivate()
    bench.stop()
    bench.withhold()
    bench.start()
    bench.open()
    bench.episodes(4, HOME)
    bench.stop()
    assert [event for event, _ in bench.events()] == ["taken", "passed", "acted", "acted", "acted"]


def test_a_policy_that_the_guard_must_correct_is_rolled_back(make_bench):
    bench = make_bench(trial_episodes=2)
    bench.start()
    bench.send(seal(blob(1, UP)))
    bench.until(lambda: bench.state["turn"] == 1)
    bench.open()
    bench.until(lambda: bench.executed.get_subscription_count() == 1)
    for _ in range(2 * STEPS):
        decision = bench.act()[1]
        bench.executed.publish(messages.decision_to_message(decision.executed(decision.command, 2)))
    bench.act()
    bench.until(lambda: "the guard changed 100 %" in bench.state["rolled_back"])
    assert bench.state["turn"] == 0, "random behaviour acted before"
    bench.until(lambda: bench.executed.get_subscription_count() == 0)


def test_with_a_public_key_only_its_signatures_pass_from_wire_and_disk(make_bench, tmp_path):
    pytest.importorskip("cryptography", reason="signatures need cryptography (pip install 'turn_rl_ros[sign]')")
    make_key_pair(tmp_path / "key.pem", tmp_path / "public.pem")
    PolicyStore(tmp_path / "run", "deployed").save(1, blob(1, UP))
    bench = make_bench(public_key=str(tmp_path / "public.pem"))
    bench.start()
    bench.send(seal(blob(2, UP)))
    bench.until(lambda: "not signed" in bench.state["refused"])
    bench.send(seal(blob(3, UP), SigningKey(tmp_path / "key.pem")))
    bench.until(lambda: bench.state["turn"] == 3)
    bench.stop()
    bench.withhold()
    PolicyStore(tmp_path / "run", "deployed").find(3).with_suffix(".sig").unlink()
    bench.start()
    assert bench.state["turn"] == 0, "its signature is gone from the disk"


def test_the_executor_takes_a_refusal_back_once_it_acts(make_bench):
    """Its state is latched, and the pre-flight check reads the last word."""
    bench = make_bench()
    bench.start()
    assert bench.executor.trigger_activate() == TransitionCallbackReturn.FAILURE
    bench.until(lambda: "no joint_states" in bench.state["fault"])
    bench.open()
    bench.until(lambda: not bench.state["fault"])
