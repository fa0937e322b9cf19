from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from turn_rl_ros.core.task import make_task
from turn_rl_ros.data import mix, select
from turn_rl_ros.data.dataset import load_dataset
from turn_rl_ros.data.errors import DatasetError


@pytest.fixture
def data(tmp_path, record):
    """Two sessions: 100 rows in 4 episodes, then 50 rows in 2."""
    record(range(100), created_utc=datetime(2026, 1, 1, tzinfo=timezone.utc), session_id="old")
    record(range(50), created_utc=datetime(2026, 1, 2, tzinfo=timezone.utc), session_id="new")
    return load_dataset(tmp_path)


def test_episodes_share_the_memory_of_the_whole(data):
    parts = select.episodes(data)
    assert [len(part) for part in parts] == [25] * 6
    assert all(np.shares_memory(part.observations, data.observations) for part in parts)
    assert parts[4].stamp_ns[0] == 0


def test_a_choice_of_sessions(data):
    new = select.where_session(data, lambda info: info.facts["session_id"] == "new")
    np.testing.assert_array_equal(new.observations, data.observations[100:])
    with pytest.raises(DatasetError, match="no transition fits"):
        select.where_session(data, lambda info: False)


def test_a_split_keeps_episodes_whole_and_forgets_no_row(data):
    train, test = select.split(data, 0.4, seed=1)
    assert set(train.episode).isdisjoint(test.episode)
    assert len(train) + len(test) == 150 and len(test) % 25 == 0


def test_a_later_session_moves_no_earlier_episode(data, tmp_path, record):
    before = select.split(data, 0.4, seed=1)[1]
    record(range(75), created_utc=datetime(2026, 1, 3, tzinfo=timezone.utc))
    after = select.split(load_dataset(tmp_path), 0.4, seed=1)[1]
    assert set(before.episode) == {number for number in set(after.episode) if number < 6}


def test_a_split_is_of_episodes_whatever_else_was_chosen(data):
    """The episodes of the new session fall to the same side with and without the old session."""
    alone = select.where_session(data, lambda info: info.facts["session_id"] == "new")
    draws = {seed: select.split(alone, 0.5, seed)[1] for seed in range(8) if two_sides(alone, seed)}
    assert draws
    for seed, part in draws.items():
        both = select.split(data, 0.5, seed)[1]
        assert set(part.episode) == {number for number in set(both.episode) if number >= 4}


def two_sides(data, seed):
    try:
        return bool(select.split(data, 0.5, seed))
    except DatasetError:
        return False


@pytest.fixture
def arena(tmp_path, record):
    """Three sessions of 25 rows: random motion in simulation, then a policy there, then the same on the robot."""
    told = [
        {"turn": 0, "clock_source": "sim_time"},
        {"turn": 1, "policy_turn": 1, "policy_sha256": "ab" * 32, "clock_source": "sim_time"},
        {"turn": 2, "policy_turn": 1, "policy_sha256": "ab" * 32, "clock_source": "system"},
    ]
    for day, facts in enumerate(told, 1):
        record(range(25), facts=facts, created_utc=datetime(2026, 1, day, 12, tzinfo=timezone.utc))
    return load_dataset(tmp_path)


@pytest.mark.parametrize(
    ("choice", "sessions"),
    [
        ({}, {0, 1, 2}),
        ({"turns": range(1, 3)}, {1, 2}),
        ({"policy": 1}, {1, 2}),
        ({"policy": "ABab"}, {1, 2}),
        ({"policy": -1}, {0}),
        ({"origin": "simulation"}, {0, 1}),
        ({"origin": "robot", "policy": 1}, {2}),
        ({"since": datetime(2026, 1, 2, 12)}, {1, 2}),
        ({"until": datetime(2026, 1, 2, 12)}, {0}),
        ({"since": datetime(2026, 1, 2, 14, tzinfo=timezone(timedelta(hours=2)))}, {1, 2}),
    ],
)
def test_a_choice_by_what_sessions_say(arena, choice, sessions):
    assert set(select.choose(arena, select.Choice(**choice)).session) == sessions


def test_a_choice_by_success_takes_whole_episodes(data):
    """Every row's next state is the row's number, so success in the last row decides; told apart by the task's rule."""
    found = {}
    for success in (True, False):
        try:
            found[success] = set(select.choose(data, select.Choice(success=success)).episode)
        except DatasetError:
            found[success] = set()
    right = {
        int(part.episode[0])
        for part in select.episodes(data)
        if make_task(data.spec).success(part.next_joint_position[-1], part.goal[-1])
    }
    assert found[True] == right and found[False] == set(data.episode) - right


def test_rows_from_memory_have_no_session_to_choose(data):
    loose = replace(data, sessions=())
    with pytest.raises(DatasetError, match="no session"):
        select.choose(loose, select.Choice(turns=range(3)))
    with pytest.raises(DatasetError, match="no session"):
        mix.weights(loose)


def test_weights_are_shares_of_sessions_not_of_rows(data):
    # new : old = 3 : 1, so new has 3/4 over 50 rows = 0.015 each, old 1/4 over 100 rows = 0.0025 each
    found = mix.weights(data, lambda info: 3.0 if info.facts["session_id"] == "new" else 1.0)
    np.testing.assert_allclose(found, np.r_[np.full(100, 0.0025), np.full(50, 0.015)])
    with pytest.raises(DatasetError, match="not all zero"):
        mix.weights(data, lambda info: 0.0)


def test_every_row_alike(data):
    np.testing.assert_allclose(mix.weights(data, mix.by_rows(data)), 1 / 150)


def test_recent_against_old_and_robot_against_simulation(arena):
    # half the weight a turn: 1/4, 1/2, 1; times 1, 1, 4 for the origin: 0.25 : 0.5 : 4 over 25 rows each
    found = mix.weights(arena, mix.recent(arena, 1.0), mix.by_origin(robot=4.0, simulation=1.0))
    np.testing.assert_allclose(found[::25], np.array([0.25, 0.5, 4.0]) / 4.75 / 25)
    with pytest.raises(DatasetError, match="half-life"):
        mix.recent(arena, 0.0)
