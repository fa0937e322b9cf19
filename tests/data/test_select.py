from datetime import datetime, timezone

import numpy as np
import pytest

from turn_rl_ros.data import select
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


def test_weights_are_shares_of_sessions_not_of_rows(data):
    # new : old = 3 : 1, so new has 3/4 over 50 rows = 0.015 each, old 1/4 over 100 rows = 0.0025 each
    found = select.weights(data, lambda info: 3.0 if info.facts["session_id"] == "new" else 1.0)
    np.testing.assert_allclose(found, np.r_[np.full(100, 0.0025), np.full(50, 0.015)])
    with pytest.raises(DatasetError, match="not all zero"):
        select.weights(data, lambda info: 0.0)
