"""The suite's door: Gymnasium's own stepping, names that nobody knows, and a short cut of everything."""

import json

import gymnasium
import numpy as np
import pytest
from typer.testing import CliRunner

from turn_rl_ros.cli import app
from turn_rl_ros.core.behaviour import make_behaviour
from turn_rl_ros.core.choice import ChoiceExplorer
from turn_rl_ros.core.door import make_env
from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.exploration import BehaviourConfig
from turn_rl_ros.core.spec import Box, Discrete, TaskSpec
from turn_rl_ros.core.stepping import step_session
from turn_rl_ros.core.task import make_spec, make_task
from turn_rl_ros.study.suite import SUITE, choose, plans


def spec_of(id, scale=1.0):
    return make_spec({"kind": "gymnasium", "id": id, "reward_scale": scale})


def session(spec, steps, seed):
    env = make_env(spec)
    behaviour = make_behaviour(env.task, BehaviourConfig(), None, np.random.default_rng(seed))
    return step_session(env, behaviour, steps, seed)


@pytest.mark.parametrize("id", ["Pendulum-v1", "CartPole-v1"])
def test_rows_are_what_gymnasium_itself_gives_for_the_same_actions(id):
    rows, env = session(spec_of(id, 0.1), 450, seed=7), gymnasium.make(id)
    observation, _ = env.reset(seed=7)
    for tick, row in enumerate(rows):
        np.testing.assert_array_equal(row.observation, observation)
        action = int(row.action) if row.action.ndim == 0 else row.action
        observation, reward, terminated, truncated, _ = env.step(action)
        np.testing.assert_array_equal(row.next_observation, observation)
        assert row.reward == pytest.approx(0.1 * float(reward))
        assert (row.terminated, row.truncated) == (terminated, truncated or (tick == 449 and not terminated))
        if terminated or truncated:
            observation, _ = env.reset()
    assert rows[-1].episode >= 2, "it went through some ends"


def test_the_pendulums_spec_is_its_documentation():
    """Torque of 2 N m either way; cos, sin and at most 8 rad/s; steps of 0.05 s, 200 an episode."""
    spec = spec_of("Pendulum-v1")
    assert isinstance(spec.action, Box) and (spec.action.low, spec.action.high) == ((-2.0,), (2.0,))
    assert spec.observation.high == (1.0, 1.0, 8.0)
    assert (spec.rate_hz, spec.episode_steps) == (20.0, 200)
    assert TaskSpec.from_json(spec.to_json()) == spec


def test_a_cart_pole_has_two_actions_and_50_steps_a_second():
    spec = spec_of("CartPole-v1")
    assert isinstance(spec.action, Discrete) and spec.action.size == 2
    assert spec.rate_hz == pytest.approx(50.0)


def test_random_choices_repeat_as_often_as_stickiness_says():
    """Of two actions, the next is the same with 0.5 + 0.5 / 2."""
    explorer = ChoiceExplorer(make_task(spec_of("CartPole-v1")), BehaviourConfig(), np.random.default_rng(0))
    seen = []
    for _ in range(4000):
        seen.append(int(explorer.random(np.zeros(4))))
        explorer.remember(np.zeros(4), np.array(seen[-1]))
    same = np.mean(np.diff(seen) == 0)
    assert same == pytest.approx(0.75, abs=4 * np.sqrt(0.75 * 0.25 / 4000))


@pytest.mark.parametrize(
    ("id", "message"),
    [
        ("Pendulum-v99", "known besides Gymnasium's: maze"),
        ("Blackjack-v1", "its observation is Tuple"),
        ("mase", "known besides Gymnasium's: maze"),
    ],
)
def test_what_cannot_be_run_is_refused_in_one_line(id, message):
    with pytest.raises(ConfigError, match=message):
        choose([id])


def test_no_node_runs_a_gymnasium_environment():
    with pytest.raises(ConfigError, match="has no joints, so nodes and guard cannot run it"):
        make_task(spec_of("Pendulum-v1")).observe(np.zeros(0), np.zeros(0), np.zeros(0))


def test_the_suite_has_six_tasks_and_more_each_with_a_spec_of_its_own():
    pytest.importorskip("pybullet_data", reason="the arms' URDFs come with PyBullet, which is not installed")
    made = plans(choose([]), short=False)
    assert len({plan.spec.fingerprint() for plan in made.values()}) == len(SUITE) >= 7


def test_a_short_cut_of_everything_writes_table_lines_and_figure(tmp_path):
    pytest.importorskip("pybullet", reason="PyBullet is not installed")
    done = CliRunner().invoke(app, ["study", "suite", "--short", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    written = json.loads((tmp_path / "study-suite-short.json").read_text())
    assert {row["what"].partition(":")[0] for row in written["rows"]} == set(SUITE)
    assert (tmp_path / "study-suite-short.png").stat().st_size > 10_000
    lines = (tmp_path / "study-suite-short.jsonl").read_text()
    again = CliRunner().invoke(app, ["study", "suite", "--short", "--env", "maze", "--out", str(tmp_path)])
    assert again.exit_code == 0 and (tmp_path / "study-suite-short.jsonl").read_text() == lines, "measured once only"
