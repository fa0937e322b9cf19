"""Disagreement by hand, from a dataset and from a file of the shadow node, and the command that shows it."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.data import quality_data
from turn_rl_ros.cli import app
from turn_rl_ros.core.artifact import pack
from turn_rl_ros.core.behaviour import EXPLORING, HOMING, POLICY, RANDOM, make_behaviour
from turn_rl_ros.core.disagreement import action_names, disagreement
from turn_rl_ros.core.door import make_env
from turn_rl_ros.core.exploration import BehaviourConfig
from turn_rl_ros.core.rollout import run_session
from turn_rl_ros.core.task import make_spec
from turn_rl_ros.data.errors import DatasetError
from turn_rl_ros.data.sealed import read_info, read_rows
from turn_rl_ros.data.session import SessionWriter
from turn_rl_ros.data.shadow import read_comparison

GRID = make_spec({"kind": "gridworld", "episode_steps": 30})
UP, DOWN = 1, 2


def test_a_difference_counts_by_the_range_of_its_action():
    """Two joints of -1 to 1 rad/s: 0.5 apart is a quarter of the range, from end to end is all of it."""
    spec = quality_data.arm_spec()
    far = disagreement(spec, np.array([[0.5, -1.0], [0.0, 0.2]]), np.array([[0.0, 1.0], [0.0, 0.2]]))
    np.testing.assert_allclose(far, [[0.25, 1.0], [0.0, 0.0]])
    assert len(action_names(spec)) == 2


def test_a_move_is_the_same_or_another():
    np.testing.assert_array_equal(disagreement(GRID, np.array([UP, UP]), np.array([UP, DOWN])), [[0.0], [1.0]])


def line(window, episode, step, behaviour, recorded, policy):
    where = {"window": window, "stamp_ns": 0, "episode": episode, "step": step, "behaviour": behaviour}
    return json.dumps({**where, "recorded": recorded, "policy": policy})


@pytest.fixture
def written(tmp_path):
    """Three episodes of two decisions in two windows, one on the way home, and a line that a kill cut."""
    head = json.dumps({"policy_sha256": "ab" * 32, "turn": 2, "task_spec": GRID.to_json()})
    lines = [
        line(0, 0, 0, RANDOM, UP, UP),
        line(0, 0, 1, RANDOM, DOWN, UP),
        line(0, 1, 0, HOMING, DOWN, UP),
        line(0, 2, 0, POLICY, UP, UP),
        line(0, 2, 1, POLICY, UP, UP),
        line(1, 2, 0, EXPLORING, DOWN, UP),
        line(1, 2, 1, EXPLORING, DOWN, UP),
    ]
    path = tmp_path / "abababababab.jsonl"
    path.write_text("\n".join([head, *lines, '{"window": 1, "sta']))
    return path


def test_means_of_what_the_shadow_wrote(written):
    """3 of 6 moves are others; a later window's episode 2 is not the earlier one's."""
    compared = read_comparison(written)
    assert compared.by_action() == {"move": (0.5, 1.0)}
    assert compared.by_behaviour() == {"random": (2, 0.5), "policy": (2, 0.0), "exploring": (2, 1.0)}
    minutes, mean, behaviour = compared.by_episode()
    np.testing.assert_allclose(minutes, np.array([0, 2, 4]) * GRID.period_s / 60)
    assert mean.tolist() == [0.5, 0.0, 1.0] and behaviour.tolist() == [RANDOM, POLICY, EXPLORING]


def test_another_file_is_refused(tmp_path):
    (tmp_path / "other.jsonl").write_text('{"a": 1}\n')
    with pytest.raises(DatasetError, match="not what the shadow node writes"):
        read_comparison(tmp_path / "other.jsonl")


def test_the_command_compares_sessions_and_draws_a_page(tmp_path):
    env = make_env(GRID)
    writer = SessionWriter(tmp_path / "sessions", GRID)
    for row in run_session(env, make_behaviour(env.task, BehaviourConfig(), None, np.random.default_rng(0)), 120):
        writer.append(row)
    rows = read_rows(read_info(writer.seal("window over")))
    table = {"w0": np.zeros((1, 400, 5)), "b0": np.eye(5)[UP].reshape(1, 1, 5), "one_hot": np.array([20, 20])}
    probes = np.zeros((1, 2), dtype=np.float32)
    (tmp_path / "up.safetensors").write_bytes(pack("argmax_q", table, GRID, probes, {"turn": 1, "algorithm": "test"}))
    arguments = ["policy", "shadow", str(tmp_path), "--policy", str(tmp_path / "up.safetensors")]
    done = CliRunner().invoke(app, [*arguments, "--html", str(tmp_path / "shadow.html")])
    assert done.exit_code == 0, done.output
    share = np.mean(rows["actions"] != UP)
    assert f"random: {share:.3f} over {len(rows)} decisions" in done.output
    page = (tmp_path / "shadow.html").read_text()
    assert f"{share:.3f} from what was done" in page and "data:image/png;base64," in page


def test_without_a_policy_the_command_asks_for_one(tmp_path):
    done = CliRunner().invoke(app, ["policy", "shadow", str(tmp_path)])
    assert done.exit_code != 0 and "--policy is missing" in f"{done.output}{done.exception}"
