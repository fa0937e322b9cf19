"""The shadow over real DDS, beside a replay: its actions are those of its policy, and nobody could obey them."""

import json
import time

import numpy as np
import pytest
from rclpy.parameter import Parameter

from turn_rl_ros.core.artifact import pack
from turn_rl_ros.core.behaviour import POLICY, make_behaviour
from turn_rl_ros.core.door import make_env
from turn_rl_ros.core.errors import PolicyRejected
from turn_rl_ros.core.exploration import BehaviourConfig
from turn_rl_ros.core.rollout import run_session
from turn_rl_ros.core.task import make_spec, make_task
from turn_rl_ros.data.sealed import read_info, read_rows
from turn_rl_ros.data.session import SessionWriter
from turn_rl_ros.nodes import messages, topics
from turn_rl_ros.nodes.replay import Replay
from turn_rl_ros.nodes.shadow import Shadow
from turn_rl_ros.nodes.spin import make_executor

SPEC = make_spec({"kind": "gridworld"})
UP = 1


@pytest.fixture
def policy(tmp_path):
    """A file with a policy that always moves up."""
    table = {"w0": np.zeros((1, 400, 5)), "b0": np.eye(5)[UP].reshape(1, 1, 5), "one_hot": np.array([20, 20])}
    path = tmp_path / "up.safetensors"
    probes = np.zeros((1, 2), dtype=np.float32)
    path.write_bytes(pack("argmax_q", table, SPEC, probes, {"turn": 4, "algorithm": "test"}))
    return path


@pytest.fixture
def recorded(tmp_path):
    """Rows of a session of random moves, and its file."""
    env = make_env(SPEC)
    writer = SessionWriter(tmp_path / "recorded", SPEC)
    for row in run_session(env, make_behaviour(env.task, BehaviourConfig(), None, np.random.default_rng(0)), 60):
        writer.append(row)
    path = writer.seal("window over")
    return read_rows(read_info(path)), path


def parameters(**given):
    return [Parameter(name, value=value) for name, value in {"task.kind": "gridworld", **given}.items()]


def test_every_recorded_decision_is_compared(ros, tmp_path, policy, recorded):
    rows, path = recorded
    shadow = Shadow(parameter_overrides=parameters(run_dir=str(tmp_path), policy=str(policy)))
    replay = Replay(parameter_overrides=parameters(source=str(path), rate=0.0, listeners=1))
    tester, spinner, commands = ros.create_node("tester"), make_executor(), []
    topics.listen_to(tester, topics.SHADOW, lambda m: commands.append(messages.message_to_decision(m)))
    for node in (shadow, replay, tester):
        spinner.add_node(node)
    deadline = time.monotonic() + 20
    while not replay.done or shadow.rows < len(rows) or len(commands) < len(rows):
        assert time.monotonic() < deadline, (shadow.rows, len(rows), len(commands))
        spinner.spin_once(timeout_sec=0.02)
    said = dict(shadow.status()[2])
    published = {name for name, _ in shadow.get_publisher_names_and_types_by_node("shadow", "/")}
    shadow.close()
    spinner.shutdown()
    for node in (shadow, replay, tester):
        node.destroy_node()

    (file,) = (tmp_path / "shadow").iterdir()
    head, *lines = map(json.loads, file.read_text().splitlines())
    assert head["turn"] == 4 and head["task_spec"] == SPEC.to_json()
    assert [line["stamp_ns"] for line in lines] == rows["stamp_ns"].tolist()
    assert [line["recorded"] for line in lines] == rows["actions"].tolist()
    assert {line["policy"] for line in lines} == {UP}
    assert float(said["disagreement move"]) == pytest.approx(np.mean(rows["actions"] != UP), abs=1e-4)
    up = make_task(SPEC).command(np.array(UP), rows["joint_position"][0])
    np.testing.assert_array_equal(commands[0].command, up)
    assert {command.behaviour for command in commands} == {POLICY}
    assert published - {"/rosout", "/parameter_events"} == {"/shadow/command", "/diagnostics"}


def test_a_policy_for_another_task_is_refused(ros, tmp_path, policy):
    other = parameters(policy=str(policy), run_dir=str(tmp_path), **{"task.episode_steps": 7})
    with pytest.raises(PolicyRejected, match="was trained for task"):
        Shadow(parameter_overrides=other)
