"""`turn-rl evaluate` on a policy made by hand, in the 3 by 3 world of conftest: S at (0, 0), R at (2, 2)."""

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from turn_rl_ros.cli import app
from turn_rl_ros.core.artifact import pack

RIGHT, DOWN = 4, 2


def policy_that_prefers(action, spec):
    """A linear value function whose bias alone decides."""
    bias = np.zeros((1, 1, 5))
    bias[0, 0, action] = 1.0
    weights = {"w0": np.zeros((1, 2, 5)), "b0": bias}
    return pack("argmax_q", weights, spec, np.zeros((1, 2)), {"turn": 3, "algorithm": "by hand"})


def right_then_down(spec):
    """Right until the last column, then down: value of right is 1.5 - column, of down 0."""
    weight, bias = np.zeros((1, 2, 5)), np.full((1, 1, 5), -9.0)
    weight[0, 1, RIGHT] = -1.0
    bias[0, 0, RIGHT], bias[0, 0, DOWN] = 1.5, 0.0
    return pack("argmax_q", {"w0": weight, "b0": bias}, spec, np.zeros((1, 2)), {"turn": 4, "algorithm": "by hand"})


@pytest.fixture
def run_dir(run, spec, tmp_path):
    """A run whose turn 3 goes right for ever, and whose turn 4 reaches R with its fourth move."""
    (run / "policies").mkdir()
    (run / "policies" / "turn-003-aaaaaaaaaaaa.safetensors").write_bytes(policy_that_prefers(RIGHT, spec))
    (run / "policies" / "turn-004-bbbbbbbbbbbb.safetensors").write_bytes(right_then_down(spec))
    task = {"kind": "gridworld", "world": str(tmp_path / "small.txt"), "episode_steps": spec.episode_steps}
    (run / "scenario.yaml").write_text(yaml.safe_dump({"/**": {"ros__parameters": {"task": task}}}))
    return run


def invoke(*arguments):
    return CliRunner().invoke(app, [str(one) for one in arguments])


def test_run_means_its_newest_policy(run_dir):
    result = invoke("evaluate", run_dir, "--goals", 3)
    assert result.exit_code == 0, result.output
    assert "turn 4, by hand" in result.output
    assert "1.00" in result.output
    assert "7.00" in result.output  # steps 4 to 10 end in R: a reward each


def test_policy_file_is_scored_for_itself(run_dir):
    result = invoke("evaluate", run_dir / "policies" / "turn-003-aaaaaaaaaaaa.safetensors", "--goals", 2)
    assert result.exit_code == 0, result.output
    assert "turn 3, by hand" in result.output
    assert "0.00" in result.output
    assert "median 20.0 cm" in result.output  # it stands two cells of 10 cm above R


def test_policy_for_another_task_is_refused_in_one_line(run_dir):
    result = invoke("evaluate", run_dir, "--env", "gridworld")
    assert result.exit_code == 2
    assert result.stderr.startswith("turn-rl: the policy was trained for task ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["evaluate", "nowhere"], "nowhere does not exist"),
        (["evaluate", "lonely.safetensors"], "add --env or --params-file"),
        (["evaluate", "lonely.safetensors", "--env", "moon"], "known: panda, panda_ee"),
        (["evaluate", "."], "has no policy yet"),
        (["report", "nowhere"], "is not a run directory"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lonely.safetensors").write_bytes(b"")
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.output


def test_damaged_policy_is_refused(run_dir):
    path = run_dir / "policies" / "turn-004-bbbbbbbbbbbb.safetensors"
    path.write_bytes(path.read_bytes()[:-40])
    result = invoke("evaluate", run_dir)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "cannot be read" in result.stderr


def test_ctrl_c_is_exit_code_130(run_dir, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("turn_rl_ros.report.score.read_policy", interrupt)
    assert invoke("evaluate", run_dir).exit_code == 130


def test_report_command_says_where_the_page_is(run):
    result = invoke("report", run)
    assert result.exit_code == 0, result.output
    assert str(run / "report" / "index.html") in result.output


@pytest.mark.parametrize("command", ["demo", "report", "evaluate"])
def test_help_teaches_with_an_example(command):
    result = invoke(command, "--help")
    assert result.exit_code == 0
    assert f"turn-rl {command}" in result.output.split("For example")[1]
