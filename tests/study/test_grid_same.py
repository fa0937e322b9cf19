"""The study's short cuts change nothing: the same transitions and values as sessions, files and trainer give."""

import time
from dataclasses import replace

import numpy as np
import pytest

from turn_rl_ros.core.behaviour import make_behaviour
from turn_rl_ros.core.door import make_env
from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.exploration import BehaviourConfig
from turn_rl_ros.core.guard.guard import Guard
from turn_rl_ros.core.rollout import run_session
from turn_rl_ros.core.scenario import scenario_file
from turn_rl_ros.core.task import make_spec
from turn_rl_ros.core.turns import TurnsConfig, walk
from turn_rl_ros.data.dataset import Dataset, Loader
from turn_rl_ros.data.rows import RowPacker
from turn_rl_ros.data.schema import row_dtype
from turn_rl_ros.learn.algorithms.discrete_cql import DiscreteCqlConfig
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.engine import Training
from turn_rl_ros.learn.tabular import outcomes, q_iteration
from turn_rl_ros.study.crew import InProcess
from turn_rl_ros.study.grid_crew import GridCrew, Method, TablePolicy
from turn_rl_ros.study.grid_session import Table
from turn_rl_ros.study.plan import read_plan

SMALL = "SOO\nO#O\nOOR\n"


def small(tmp_path, **task):
    world = tmp_path / "world.txt"
    world.write_text(SMALL)
    return make_spec({"kind": "gridworld", "world": str(world), "episode_steps": 20, **task})


def index(observations):
    return np.rint(observations) @ np.array([20, 1])


@pytest.mark.parametrize(
    "behaviour",
    [
        BehaviourConfig(random_share=1.0),
        BehaviourConfig(random_share=0.0, policy_share=0.0, search_share=1.0),
        BehaviourConfig(random_share=0.2, policy_share=0.2, search_share=0.5, epsilon=0.3, walk_steps=5),
    ],
)
def test_a_session_has_the_transitions_of_run_session(behaviour):
    """Three whole episodes, two ways home among them, and a part of one."""
    spec = make_spec({"kind": "gridworld", "episode_steps": 60})
    env, table = make_env(spec), Table(spec)
    policy = TablePolicy(np.full(table.states, 4), table.shape[1], None)
    guard = Guard(spec, read_plan(scenario_file("gridworld")).guard)
    slow = run_session(env, make_behaviour(env.task, behaviour, policy, np.random.default_rng(3)), 200, guard=guard)
    fast = table.session(make_behaviour(env.task, behaviour, policy, np.random.default_rng(3)), 200, 60)
    assert len(slow) > 190
    np.testing.assert_array_equal(fast.state, index(np.array([row.observation for row in slow])))
    np.testing.assert_array_equal(fast.action, [int(row.action) for row in slow])
    np.testing.assert_array_equal(fast.next_state, index(np.array([row.next_observation for row in slow])))
    np.testing.assert_array_equal(fast.behaviour, [row.behaviour for row in slow])
    np.testing.assert_array_equal(table.rewards(fast), [row.reward for row in slow])


def test_turns_record_what_the_in_process_crew_records_through_files_and_artifacts(tmp_path):
    """What a search does depends on the memory that comes with the policy: here out of sealed files and artifacts."""
    acts = {"random_share": 0.0, "policy_share": 0.0, "search_share": 1.0}
    changes = {f"executor.behaviour.{name}": value for name, value in acts.items()} | {"trainer.steps": 10}
    plan = read_plan(scenario_file("gridworld"), changes)
    crew = InProcess(plan, tmp_path, seed=7)
    for turn in range(3):
        crew.run_session(turn, 15.0)
        crew.train(turn + 1)
    crew.close()
    data = Loader(tmp_path / "sessions", plan.spec, verify="never").load()

    fast = GridCrew(plan.spec, Method("", 3, plan.behaviour), range(7, 8))
    for turn in range(3):
        fast.run_session(turn, 15.0)
        fast.train(turn + 1)
    rows = fast.rows(0)
    assert len(rows.state) == len(data) > 890
    np.testing.assert_array_equal(rows.state, index(data.observations))
    np.testing.assert_array_equal(rows.action, data.actions)


def test_values_are_those_of_the_engine(tmp_path):
    """A grid of eight cells that random motion has covered: deep Q-learning on one-hot states has the same limit."""
    spec = small(tmp_path)
    env, table = make_env(spec), Table(spec)
    behaviour = make_behaviour(env.task, BehaviourConfig(), None, np.random.default_rng(0))
    rows = run_session(env, behaviour, 1500)
    data = Dataset.from_rows(RowPacker(row_dtype(spec)).table(rows), spec)
    config = TrainerConfig(
        algorithm="discrete_cql", steps=1500, batch_size=128, width=0, learning_rate=0.05, final_rate=0.02,
        discount=0.8, target_rate=0.05, average_rate=0.05, one_hot=True,
    )  # fmt: skip
    weights = Training(data, config, DiscreteCqlConfig(alpha=0.0), [0]).run()[0].weights
    engine = weights["w0"][0] + weights["b0"][0]

    state, following = (np.rint(o).astype(int) @ [3, 1] for o in (data.observations, data.next_observations))
    seen = outcomes(state, data.actions, data.rewards, following, np.zeros(len(data)), table.states, table.actions)
    ours = q_iteration(seen, np.zeros((table.states, table.actions)), 0.8, 300)
    assert len(seen.pair) == 8 * 5, "all pairs of the eight free cells were tried"
    free = np.arange(9) != 4
    np.testing.assert_allclose(engine[free], ours[free], atol=0.05)
    assert table.returns(engine.argmax(-1)) == table.returns(ours.argmax(-1)) == 20 - 3


def test_walk_keeps_the_directors_summary(tmp_path):
    spec = small(tmp_path)
    crew = GridCrew(spec, Method("", 2, BehaviourConfig()), range(4))
    config = TurnsConfig(run_dir=str(tmp_path / "run"), env="gridworld", turns=2, window_s=2.0)
    summary = walk(config, crew, time.monotonic, lambda line: None)
    assert [turn["robot_seconds"] for turn in summary["turns"]] == [2.0, 2.0]
    assert summary["turns"][1]["mean_return"] == crew.returns[2].mean()
    # 40 ticks: an episode of 20, perhaps a tick for the way home, and what is left.
    assert all(39 <= turn["transitions"] <= 40 for turn in summary["turns"])


def test_a_world_that_slips_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"task\.slip is 0\.1"):
        Table(small(tmp_path, slip=0.1))


def test_the_best_of_several_is_the_one_that_earns_most(tmp_path):
    """Members differ in the first Q alone; each rule delivers one of them."""
    spec = small(tmp_path)
    method = Method("", 1, BehaviourConfig(), spread=1.0, members=5)
    for rule, worth in (("robot", np.max), ("first", lambda offers, axis: offers[0])):
        crew = GridCrew(spec, replace(method, deploy=rule), range(3))
        crew.run_session(0, 1.0)
        crew.train(1)
        crew.evaluate(1)
        np.testing.assert_array_equal(crew.returns[1], worth(crew.offers[1], axis=0))
