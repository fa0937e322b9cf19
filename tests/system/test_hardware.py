"""A window on a real arm, as hardware.launch.py walks it, with the stand-in for ros2_control in the arm's place."""

import json
import threading
import time

import numpy as np
import pytest

pytest.importorskip("pybullet", reason="the stand-in's arm needs PyBullet, which is not installed")

import rclpy
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from turn_rl_ros.core.behaviour import HOMING
from turn_rl_ros.core.config import scenario_section
from turn_rl_ros.core.hardware import HARDWARE, dry_run_folder, on_the_arm
from turn_rl_ros.core.parameter_file import shipped_file
from turn_rl_ros.core.scenario import write_scenario
from turn_rl_ros.data.manifest import sealed_files
from turn_rl_ros.data.sealed import read_info, read_rows
from turn_rl_ros.nodes import messages, topics

CREW = ("guard", "executor", "collector", "homing")
QUICK = {"patience_s": 6.0}
HOME = [0.0, -1.5708, 1.5708, -1.5708, -1.5708, 0.0]


def scenario(graph, changes, robot="ur10", dry=False):
    """RUN/scenario.yaml as the launch file writes it."""
    run_dir = dry_run_folder(graph.run_dir) if dry else graph.run_dir
    changes = {node: dict(values) for node, values in changes.items()}
    for node in ("guard", "executor", "collector", "director"):
        changes.setdefault(node, {})["run_dir"] = str(run_dir)
    source = shipped_file(HARDWARE[robot])
    on_the_arm(changes, source, run_dir, lambda topic: "", dry=dry, mock=True)
    write_scenario(source, run_dir / "scenario.yaml", changes)
    return run_dir / "scenario.yaml"


def window(seconds):
    return {"director": {"window_s": seconds}, "guard": {"window_s": seconds}}


def checklist(params):
    return {line["name"]: line for line in json.loads((params.parent / "preflight.json").read_text())}


def session(run_dir):
    (path,) = sealed_files(run_dir / "sessions")
    info = read_info(path)
    return info, read_rows(info)


class Watcher:
    """Joint states, the homing node's word and the controllers, from outside."""

    def __init__(self, graph, spec_names):
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=int(graph.environment["ROS_DOMAIN_ID"]))
        self.node = rclpy.create_node("watcher", context=self._context)
        self._reader = messages.JointStateReader(spec_names)
        self.position, self.velocity, self.homing, self.seen_homing = None, None, None, False
        topics.listen_to(self.node, topics.JOINT_STATES, self._on_state)
        topics.listen_to(self.node, topics.HOMING_STATE, self._on_homing)
        self.estop = topics.publish_on(self.node, topics.ESTOP)
        self._list = self.node.create_client(Trigger, topics.CONTROLLERS_SERVICE)
        self._home = self.node.create_client(Trigger, topics.HOME_SERVICE)
        self._executor = rclpy.executors.SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._executor.spin, daemon=True)
        self._thread.start()

    def _on_state(self, message):
        self.position, self.velocity, _ = self._reader.read(message)

    def _on_homing(self, message):
        self.homing = messages.message_to_state(message)
        self.seen_homing |= self.homing["homing"]

    def until(self, condition, seconds=30):
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, (self.position, self.homing)
            time.sleep(0.02)

    def go_home(self):
        """Ask until it says yes, as the executor does."""
        self.until(lambda: self._home.service_is_ready() and self._call(self._home).success)

    def active(self):
        states = json.loads(self._call(self._list).message)
        return [name for name, state in states.items() if state == "active"]

    def _call(self, client):
        answer = client.call_async(Trigger.Request())
        self.until(answer.done)
        return answer.result()

    def close(self):
        self._executor.shutdown()
        self._thread.join(10)
        self.node.destroy_node()
        self._context.try_shutdown()


@pytest.fixture
def watch(graph, monkeypatch):
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    made = []

    def make(params):
        made.append(Watcher(graph, tuple(scenario_section(params, "guard", "task")["joint_names"])))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_a_window_goes_home_through_the_trajectory_controller_then_acts_and_ends_at_rest(graph, watch):
    """The way home, 0.2 rad at 0.6 rad/s at most, takes over a second of the window and is no part of an episode."""
    away = {"start": [0.2, *HOME[1:]]}
    home = {"speed": 0.6, "acceleration": 5.0}
    params = scenario(graph, {**window(5.0), "executor": {"homing": "service"}, "stand_in": away, "homing": home})
    for node in ("stand_in", *CREW, "preflight"):
        graph.start(node, params)
    assert graph.processes["preflight"].wait(60) == 0, graph.log("preflight")
    assert all(line["ok"] for line in checklist(params).values())
    watcher = watch(params)
    graph.start("director", params)
    assert graph.processes["director"].wait(60) == 0, graph.log("director")
    assert watcher.seen_homing and not watcher.homing["homing"], graph.log("homing")
    watcher.until(lambda: np.abs(watcher.velocity).max() < 1e-3, 5)
    assert watcher.active() == ["forward_velocity_controller"]
    assert set(graph.stop().values()) == {0}
    info, rows = session(graph.run_dir)
    assert info.facts["stop_reason"] == "window used up" and not info.facts["dry_run"]
    assert 30 < len(rows) < 90
    assert HOMING not in rows["behaviour"]
    np.testing.assert_allclose(rows["joint_position"][0], HOME, atol=0.011)
    assert np.ptp(rows["joint_position"], axis=0).max() > 0.05, "it moved"
    turn = json.loads((graph.run_dir / "summary.json").read_text())["turns"][0]
    assert turn["robot_seconds"] == pytest.approx(5.0, abs=0.2)


def test_the_e_stop_ends_a_way_home_where_it_is_and_the_joints_are_given_back(graph, watch):
    """2 rad at 0.3 rad/s takes 10 s; pressed on the way, the arm rests short of home, and no window opens again."""
    away = {"start": [2.0, *HOME[1:]]}
    params = scenario(graph, {**window(20.0), "executor": {"homing": "service"}, "stand_in": away, "preflight": QUICK})
    for node in ("stand_in", *CREW, "director"):
        graph.start(node, params)
    watcher = watch(params)
    watcher.until(lambda: watcher.position is not None and watcher.position[0] < 1.9)
    watcher.until(lambda: watcher.estop.get_subscription_count() == 2)  # guard and homing: it is said once
    watcher.estop.publish(Bool(data=True))
    watcher.until(lambda: watcher.homing is not None and not watcher.homing["homing"])
    assert watcher.homing["fault"] in ("e-stop", "the window closed")
    watcher.until(lambda: np.abs(watcher.velocity).max() < 1e-3, 5)
    assert 1.0 < watcher.position[0] < 1.9
    assert watcher.active() == ["forward_velocity_controller"]
    assert graph.processes["director"].wait(30) == 1 and "e-stop" in graph.log("director")
    graph.start("preflight", params)
    assert graph.processes["preflight"].wait(60) == 1
    failed = [name for name, line in checklist(params).items() if not line["ok"]]
    assert failed == ["e-stop"], graph.log("preflight")


def test_a_homing_node_that_was_killed_on_the_way_leaves_the_joints_marked_as_taken(graph, watch):
    """Until the next way home is over: commands of the guard would not be heard."""
    params = scenario(graph, {"stand_in": {"start": [1.0, *HOME[1:]]}, "homing": {"speed": 0.5, "acceleration": 2.0}})
    graph.start("stand_in", params)
    watcher = watch(params)
    for kill in (True, False):
        graph.start("homing", params)
        watcher.until(lambda: watcher.homing is not None)
        assert watcher.homing["homing"] is (not kill)
        watcher.go_home()
        if kill:
            watcher.until(lambda: watcher.position is not None and watcher.position[0] < 0.95)
            graph.processes["homing"].kill()
            graph.processes["homing"].wait()
            watcher.homing = None  # what comes from now on is the next one's word
    watcher.until(lambda: not watcher.homing["homing"])
    np.testing.assert_allclose(watcher.position, HOME, atol=0.011)
    assert watcher.active() == ["forward_velocity_controller"]


def test_a_dry_run_tells_the_arm_nothing_and_is_recorded_apart(graph, watch):
    params = scenario(graph, window(2.0), robot="panda", dry=True)
    for node in ("stand_in", *CREW):
        graph.start(node, params)
    watcher = watch(params)
    watcher.until(lambda: watcher.position is not None)
    before = watcher.position
    graph.start("director", params)
    assert graph.processes["director"].wait(60) == 0, graph.log("director")
    np.testing.assert_array_equal(watcher.position, before)
    assert not (graph.run_dir / "sessions").exists() and not (graph.run_dir / "guard.json").exists()
    info, rows = session(graph.run_dir / "dry_run")
    assert info.facts["dry_run"] and len(rows) > 20 and np.abs(rows["command"]).max() > 0.01


def test_the_checklist_names_what_is_wrong_and_how_to_mend_it(graph):
    """No crew, a clock half a second ahead, the wrong controller, a joint beyond its limit."""
    wrong = {"clock_offset_s": 0.5, "active": "joint_trajectory_controller", "start": [0.0, -1.5, 3.3, 0.0, 0.0, 0.0]}
    params = scenario(graph, {"stand_in": wrong, "preflight": QUICK})
    for node in ("stand_in", "preflight"):
        graph.start(node, params)
    assert graph.processes["preflight"].wait(60) == 1
    lines = {name: line for name, line in checklist(params).items() if not line["ok"]}
    assert set(lines) == {"position", "clock in step", "controller active", "guard", "executor", "collector"}
    assert -510 < float(lines["clock in step"]["measured"].removesuffix(" ms")) < -400
    mend = "--activate forward_velocity_controller --deactivate joint_trajectory_controller"
    assert lines["controller active"]["mend"] == f"ros2 control switch_controllers {mend}"
    assert "elbow_joint is at 3.142, outside" in lines["position"]["measured"]
    assert all(line["mend"] for line in lines.values())
