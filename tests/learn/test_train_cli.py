"""`turn-rl train` on a recorded session, from the command line to a policy that acts."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from turn_rl_ros.cli import app
from turn_rl_ros.core.artifact import open_artifact
from turn_rl_ros.core.behaviour import make_behaviour
from turn_rl_ros.core.door import make_env
from turn_rl_ros.core.evaluation import evaluate_policy
from turn_rl_ros.core.exploration import BehaviourConfig
from turn_rl_ros.core.rollout import run_session
from turn_rl_ros.core.task import make_spec
from turn_rl_ros.data.session import SessionWriter

QUICK = ["--env", "gridworld", "--steps", "300"]


@pytest.fixture(scope="module")
def sessions(tmp_path_factory):
    """A run directory with one random session of the GridWorld."""
    run = tmp_path_factory.mktemp("run")
    spec = make_spec({"kind": "gridworld"})
    env = make_env(spec, 0)
    writer = SessionWriter(run / "sessions", spec, {"turn": 0})
    for row in run_session(env, make_behaviour(env.task, BehaviourConfig(), None, np.random.default_rng(0)), 1500):
        writer.append(row)
    writer.seal("window used up")
    return run


def call(*words):
    return CliRunner().invoke(app, ["train", *map(str, words)])


def test_it_leaves_a_checked_policy_its_course_and_its_story(sessions, tmp_path):
    result = call(sessions, *QUICK, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    artifact = open_artifact((tmp_path / "policy.safetensors").read_bytes(), make_spec({"kind": "gridworld"}))
    assert artifact.turn == 1 and artifact.metadata["algorithm"] == "discrete_cql"
    steps = [json.loads(line)["step"] for line in (tmp_path / "turn-001.jsonl").read_text().splitlines()]
    assert steps == list(range(3, 301, 3))  # a hundred reports
    assert json.loads((tmp_path / "turn-001.json").read_text())["chosen"] == "seed 0"
    assert not (tmp_path / "checkpoint.safetensors").exists()


def test_the_rule_robot_takes_the_seed_that_earns_most_in_the_simulator(sessions, tmp_path):

    result = call(sessions, *QUICK, "--seeds", 3, "--deploy", "robot", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    spec = make_spec({"kind": "gridworld"})
    earned = {
        seed: evaluate_policy(
            spec, open_artifact((tmp_path / f"turn-001-seed-{seed}.safetensors").read_bytes(), spec).policy, 1, 0
        ).mean_return
        for seed in range(3)
    }
    chosen = json.loads((tmp_path / "turn-001.json").read_text())["chosen"]
    assert earned[int(chosen.removeprefix("seed "))] == max(earned.values())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--algo", "iql"], "iql cannot learn discrete actions"),
        (["--algo", "cqll"], "there is no algorithm 'cqll'"),
        (["--set", "step=3"], "did you mean 'steps'"),
        (["--set", "cql.alpha=1"], "the algorithm is discrete_cql, not cql"),
        (["--set", "alpha"], "is not name=value"),
        (["--deploy", "loudest"], "must be one of"),
        (["--env", "moon"], "env = 'moon'"),
    ],
)
def test_what_cannot_be_is_one_line_and_trains_nothing(sessions, tmp_path, words, said):
    result = call(sessions, *QUICK, *words, "--out", tmp_path / "out")
    assert result.exit_code == 2 and said in result.output.replace("\n", " ")
    assert not (tmp_path / "out").exists()


def test_help_lists_every_algorithm_with_its_parameters(sessions):
    text = call(sessions, "--algo", "help").output
    assert all(name in text for name in ("td3_bc", "qr_dqn", "expectile"))
