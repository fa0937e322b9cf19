"""A one-joint arm of 0.5 m: between two angles the tip moves by 2 * 0.5 * sin(difference / 2) metres, a chord."""

import json
import math
from dataclasses import fields, replace

import numpy as np
import pytest
from typer.testing import CliRunner

import turn_rl_ros.core.task
from turn_rl_ros.cli import app
from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.task import Reach, make_spec, make_task
from turn_rl_ros.core.transition import Transition
from turn_rl_ros.data.dataset import Dataset, load_dataset
from turn_rl_ros.data.errors import DatasetError, NothingChosen, SessionExists
from turn_rl_ros.data.hashes import sha256_file
from turn_rl_ros.data.relabel import Change, relabel, relabel_sessions
from turn_rl_ros.data.sealed import read_info
from turn_rl_ros.data.select import Choice
from turn_rl_ros.data.session import SessionWriter

STEPS, ANGLE, LENGTH_M = 4, 0.1, 0.5
GOAL = (LENGTH_M * math.cos(0.4), LENGTH_M * math.sin(0.4), 0.0)
"""Where an episode that starts at angle 0 ends."""
FAR = (0.0, -LENGTH_M, 0.0)
CHORDS = [math.sin((0.4 - ANGLE * (step + 1)) / 2) for step in range(STEPS)]
"""Distance to GOAL after each step: 0.149, 0.0998, 0.04998, 0 metres."""
URDF = f"""<robot name="lever"><link name="base"/><link name="arm"/><link name="tip"/>
<joint name="a" type="revolute"><parent link="base"/><child link="arm"/><axis xyz="0 0 1"/>
<limit lower="-3" upper="3" velocity="3" effort="1"/></joint>
<joint name="t" type="fixed"><parent link="arm"/><child link="tip"/><origin xyz="{LENGTH_M} 0 0"/></joint></robot>"""


def make(folder, **changes):
    (folder / "lever.urdf").write_text(URDF)
    values = {"kind": "reach", "robot": "lever", "urdf": str(folder / "lever.urdf"), "tip_link": "tip"}
    values |= {"joint_names": ["a"], "home": [0.0], "max_joint_velocity": 2.0, "episode_steps": STEPS}
    values |= {"goal_low": [-0.5, -0.5, -0.1], "goal_high": [0.5, 0.5, 0.1], "success_radius_m": 0.05}
    return make_spec({**values, **changes})


@pytest.fixture
def spec(tmp_path):
    return make(tmp_path)


def episode(spec, number, goal):
    """Four steps of 0.1 rad from angle 0."""
    task, goal, velocity = make_task(spec), np.array(goal), np.array([ANGLE * spec.rate_hz])
    for step in range(STEPS):
        before, after = np.array([ANGLE * step]), np.array([ANGLE * (step + 1)])
        at = (number * STEPS + step) * spec.period_ns
        yield Transition(
            task.observe(before, velocity, goal), velocity.astype(np.float32), float(task.reward(after, goal)),
            task.observe(after, velocity, goal), False, step == STEPS - 1, before, velocity, after, velocity, goal,
            at, at + spec.period_ns, number, step, 1, 0, velocity,
        )  # fmt: skip


@pytest.fixture
def data(spec):
    """Two episodes: one that ends at its goal, one that does not."""
    return Dataset.from_transitions([*episode(spec, 0, GOAL), *episode(spec, 1, FAR)], spec)


@pytest.fixture
def sessions(tmp_path, spec):
    """The same two episodes, each in a sealed session, of turns 0 and 1."""
    for turn, goal in enumerate((GOAL, FAR)):
        with SessionWriter(tmp_path / "old", spec, {"turn": turn, "wear": {"x": 1}}, session_id=f"s{turn}") as writer:
            for row in episode(spec, 0, goal):
                writer.append(row)
            writer.seal("window over")
    SessionWriter(tmp_path / "old", spec, {"turn": 2}, session_id="s2").seal("nothing came")
    return tmp_path / "old"


def columns(data):
    return {f.name: getattr(data, f.name) for f in fields(data) if isinstance(getattr(data, f.name), np.ndarray)}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (Change(reward="sparse"), [-1, -1, 0, 0]),
        (Change(reward="dense"), [-d for d in CHORDS]),
        (Change(success_radius_m=0.1), [-1 - CHORDS[0], -CHORDS[1], -CHORDS[2], 0]),
        (Change(reward="sparse", success_radius_m=0.01), [-1, -1, -1, 0]),
        (Change(reward="sparse", goal=(LENGTH_M, 0.0, 0.0), success_radius_m=0.06), [0, -1, -1, -1]),
        (Change(reward="sparse", goal=FAR), [-1] * 4),
    ],
)
def test_rewards_are_those_worked_out_by_hand(data, change, expected):
    np.testing.assert_allclose(relabel(data, change).rewards[:STEPS], expected, atol=1e-6)


def test_a_change_of_nothing_changes_nothing(data):
    same = relabel(data, Change(reward="both", success_radius_m=0.05))
    assert same.spec == data.spec
    for name, column in columns(same).items():
        np.testing.assert_array_equal(column, getattr(data, name))


def test_the_new_task_is_the_one_that_a_scenario_with_that_reward_has(tmp_path, data):
    sparse = relabel(data, Change(reward="sparse", success_radius_m=0.02))
    assert sparse.spec.fingerprint() == make(tmp_path, reward="sparse", success_radius_m=0.02).fingerprint()
    back = relabel(sparse, Change(reward="both", success_radius_m=0.05))
    assert back.spec.fingerprint() == data.spec.fingerprint()
    np.testing.assert_array_equal(back.rewards, data.rewards)


def test_a_new_goal_is_data_and_shows_in_the_observations(data):
    new = relabel(data, Change(goal=FAR))
    assert new.spec == data.spec
    tip = np.array([LENGTH_M * math.cos(0.2), LENGTH_M * math.sin(0.2), 0.0])  # before step 2
    np.testing.assert_allclose(new.observations[2, -3:], np.array(FAR) - tip, atol=1e-6)
    np.testing.assert_array_equal(new.observations[:, :-3], data.observations[:, :-3])
    np.testing.assert_array_equal(new.observations[4:], data.observations[4:])  # FAR was its goal before


def test_the_goal_in_the_end_is_where_the_episode_ended(data):
    new = relabel(data, Change(hindsight="final"))
    np.testing.assert_allclose(new.goal, np.tile(GOAL, (8, 1)), atol=1e-12)
    np.testing.assert_allclose(new.rewards[4:], data.rewards[:4], atol=1e-6)
    assert new.spec == data.spec and np.flatnonzero(new.timeouts).tolist() == [3, 7]


def test_future_copies_are_cut_where_they_reached_their_goal(data):
    new = relabel(data, Change(hindsight="future", copies=20))
    starts, stops = new.episode_bounds()
    assert len(starts) == 40
    assert set((stops - starts).tolist()) == {1, 2, 3, 4}
    np.testing.assert_array_equal(new.step[starts], 0)
    np.testing.assert_array_equal(new.stamp_ns[starts] // data.spec.period_ns, np.repeat([0, 4], 20))
    np.testing.assert_allclose(new.rewards[stops - 1], 0.0, atol=1e-6)
    assert new.timeouts[stops - 1].all() and new.timeouts.sum() == 40 and not new.terminals.any()
    for start, stop in zip(starts, stops, strict=True):  # each earlier step aims at what came after it
        chords = [math.sin(ANGLE * (stop - start - 1 - k) / 2) for k in range(stop - start)]
        np.testing.assert_allclose(np.linalg.norm(new.next_observations[start:stop, -3:], axis=1), chords, atol=1e-6)


def test_kept_episodes_stand_before_their_copies(data):
    new = relabel(data, Change(hindsight="final", keep=True))
    assert new.episode.tolist() == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4
    np.testing.assert_array_equal(new.goal[[0, 8]], data.goal[[0, 4]])
    np.testing.assert_array_equal(new.rewards[8:12], data.rewards[4:])


def test_the_seed_draws_the_steps(data):
    one, same, other = (relabel(data, Change(hindsight="future", copies=9, seed=seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.stamp_ns, same.stamp_ns)
    assert not np.array_equal(one.stamp_ns, other.stamp_ns)


def test_an_episode_ends_where_the_task_now_says(data, monkeypatch):
    class Ending(Reach):
        def terminated(self, next_joint_position, goal):
            return self.success(next_joint_position, goal)

    monkeypatch.setitem(turn_rl_ros.core.task._TASKS, "reach", Ending)
    new = relabel(data, Change(success_radius_m=0.1))  # reached after the second step of the first episode
    assert new.step.tolist() == [0, 1, 0, 1, 2, 3]
    assert new.terminals.tolist() == [False, True] + [False] * 4
    assert new.timeouts.tolist() == [False] * 5 + [True]
    back = relabel(new, Change(success_radius_m=0.001))  # nowhere: what was an end is a cut
    assert not back.terminals.any() and np.flatnonzero(back.timeouts).tolist() == [1, 5]


def test_a_reward_of_ones_own_stands_in_the_data(data):
    def effort(rows):
        return -np.abs(rows.actions).sum(axis=1)

    new = relabel(data, Change(), effort)
    np.testing.assert_allclose(new.rewards, -2.0)
    assert new.spec.fingerprint() != data.spec.fingerprint()
    task = make_task(new.spec)
    np.testing.assert_array_equal(task.with_goal(new.observations, np.zeros(3)), new.observations)
    assert np.isnan(task.reward(new.next_joint_position, new.goal)).all()
    assert task.success(new.next_joint_position[3], new.goal[3])  # the rest of the task is as it was
    with pytest.raises(DatasetError, match="given from outside"):
        relabel(new, Change(hindsight="final"))
    np.testing.assert_array_equal(relabel(new, Change(reward="both")).rewards, data.rewards)
    with pytest.raises(DatasetError, match="8 finite numbers"):
        relabel(data, Change(), lambda rows: np.zeros(3))


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"reward": "spares"}, ConfigError, "must be one of sparse, dense, both, close"),
        ({"success_radius_m": -1.0}, ConfigError, "outside"),
        ({"goal": (1.0, 2.0)}, DatasetError, "has 3 finite values"),
        ({"goal": (1.0, 2.0, math.nan)}, DatasetError, "has 3 finite values"),
        ({"goal": FAR, "hindsight": "final"}, DatasetError, "exclude each other"),
        ({"hindsight": "future", "copies": 0}, DatasetError, "one copy"),
    ],
)
def test_a_change_that_cannot_be_made_says_why(data, change, error, match):
    with pytest.raises(error, match=match):
        relabel(data, Change(**change))


def test_where_the_goal_does_not_show_there_is_no_hindsight(tmp_path):
    (tmp_path / "w.txt").write_text("SOR\n")
    grid = make_spec({"kind": "gridworld", "world": str(tmp_path / "w.txt")})
    task, zero = make_task(grid), np.zeros(2)
    after, goal = np.array([0.0, 0.1]), np.array([0.0, 0.2, 0.0])
    row = Transition(
        task.observe(zero, zero, goal), np.array(4), 0.0, task.observe(after, zero, goal), False, True,
        zero, zero, after, zero, goal, 0, 1, 0, 0, 0,
    )  # fmt: skip
    data = Dataset.from_transitions([row], grid)
    with pytest.raises(DatasetError, match="do not show the goal"):
        relabel(data, Change(hindsight="final"))
    assert relabel(data, Change(goal=(0.0, 0.1, 0.0))).rewards.tolist() == [1.0]
    with pytest.raises(ConfigError, match="gridworld task has no success_radius_m; it has: nothing"):
        relabel(data, Change(success_radius_m=0.1))


def test_the_originals_stay_and_the_new_sessions_name_them(tmp_path, sessions):
    before = {path.name: sha256_file(path) for path in sessions.iterdir()}
    made = relabel_sessions(sessions, tmp_path / "new", Change(reward="sparse", hindsight="future", copies=2))
    assert {path.name: sha256_file(path) for path in sessions.iterdir()} == before
    facts = [read_info(path).facts for path in made]
    assert [one["turn"] for one in facts] == [0, 1] and facts[0]["wear"] == {"x": 1}
    for one, source in zip(facts, sorted(sessions.glob("*s[01].h5")), strict=True):
        assert one["derived_from"] == {
            "file": source.name,
            "sha256": before[source.name],
            "change": {"reward": "sparse", "hindsight": "future", "copies": 2},
            "choice": {},
        }
        assert one["session_id"] != read_info(source).facts["session_id"]
        assert one["created_utc"] == read_info(source).facts["created_utc"]


def test_the_new_directory_is_a_dataset_like_any_other(tmp_path, sessions, data):
    made = relabel_sessions(sessions, tmp_path / "new", Change(reward="sparse"))
    assert len(made) == 2  # nothing came of the third
    new, right = load_dataset(tmp_path / "new"), relabel(data, Change(reward="sparse"))
    assert new.spec == right.spec
    for name in ("observations", "actions", "rewards", "terminals", "timeouts", "goal", "episode", "step"):
        np.testing.assert_array_equal(getattr(new, name), getattr(right, name))
    again = relabel_sessions(tmp_path / "new", tmp_path / "newer", Change(reward="dense"))
    chain = read_info(again[0]).facts["derived_from"]
    assert chain["file"] == made[0].name and chain["derived_from"]["change"] == {"reward": "sparse"}


def test_a_choice_is_made_before_the_change(tmp_path, sessions):
    """Only the first session's episode succeeds under the radius that it was recorded with."""
    (made,) = relabel_sessions(sessions, tmp_path / "new", Change(success_radius_m=0.5), Choice(success=True))
    assert read_info(made).facts["turn"] == 0
    (made,) = relabel_sessions(sessions, tmp_path / "late", Change(), Choice(turns=range(1, 9)))
    assert read_info(made).facts["derived_from"]["choice"] == {"turns": "range(1, 9)"}


def test_what_cannot_be_finished_leaves_nothing(tmp_path, sessions):
    with pytest.raises(NothingChosen):
        relabel_sessions(sessions, tmp_path / "new", Change(), Choice(turns=range(7, 8)))
    with pytest.raises(ConfigError):
        relabel_sessions(sessions, tmp_path / "new", Change(reward="none"))
    last = next(sessions.glob("*s1.h5"))
    content = bytearray(last.read_bytes())
    content[-9] ^= 1
    last.write_bytes(content)
    with pytest.raises(DatasetError, match="changed after it was sealed"):
        relabel_sessions(sessions, tmp_path / "new", Change())
    assert {path.name for path in tmp_path.iterdir()} == {"lever.urdf", "old"}
    with pytest.raises(SessionExists, match="not overwritten"):
        relabel_sessions(sessions, sessions, Change())


def test_the_command_line_says_the_same(tmp_path, sessions):
    def run(*arguments):
        return CliRunner().invoke(app, ["data", "relabel", str(sessions), "--out", str(tmp_path / "new"), *arguments])

    for bad, message in (
        (["--goal", "1,b"], "write x,y,z"),
        (["--hindsight", "last"], "write final, future"),
        (["--turns", "5-2"], "the last turn comes before the first"),
        (["--policy", "xyz"], "give a turn"),
        (["--origin", "moon"], "known are simulation, robot"),
        (["--turns", "7"], "no transition in"),
    ):
        found = run(*bad)
        assert found.exit_code == 2 and message in " ".join(found.stderr.split()), found.output
    found = run("--reward", "dense", "--hindsight", "3", "--keep", "--turns", "0-", "--policy", "-1")
    assert found.exit_code == 0 and "2 sessions" in found.stdout
    info = read_info(sorted((tmp_path / "new").glob("*.h5"))[0])
    assert info.facts["derived_from"]["change"] == {"reward": "dense", "hindsight": "future", "copies": 3, "keep": True}
    assert json.loads(info.spec.to_json())["details"]["reward"] == "dense"


def test_a_spec_of_an_unknown_reward_is_refused(spec):
    with pytest.raises(ConfigError, match="'happy'; this version knows sparse, dense, both, close"):
        make_task(replace(spec, details={**spec.details, "reward": "happy"}))
