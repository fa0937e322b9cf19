from dataclasses import replace
from datetime import datetime, timezone

import h5py
import numpy as np
import pytest

from turn_rl_ros.core.errors import SpecMismatch
from turn_rl_ros.data.dataset import Dataset, load_dataset
from turn_rl_ros.data.errors import DatasetError
from turn_rl_ros.data.manifest import combined_sha256, sha256_file
from turn_rl_ros.data.session import SessionWriter


def at(hour):
    return datetime(2026, 11, 21, hour, tzinfo=timezone.utc)


def test_sessions_are_joined_in_time_order(tmp_path, record):
    record(range(100, 140), created_utc=at(9), session_id="a")
    record(range(60), created_utc=at(7), session_id="b")
    record([], created_utc=at(8), session_id="c")
    data = load_dataset(tmp_path)
    numbers = np.r_[0:60, 100:140]
    np.testing.assert_array_equal(data.stamp_ns, numbers * 2_000_000)
    np.testing.assert_array_equal(data.observations[:, 0], (numbers * 1e-3).astype(np.float32))
    np.testing.assert_array_equal(data.session, np.r_[np.zeros(60), np.full(40, 2)])
    assert [info.facts["session_id"] for info in data.sessions] == ["b", "c", "a"]
    # episodes of 25 steps: 25, 25, 10 rows, then 100..124 and 125..139
    assert data.episode_bounds()[0].tolist() == [0, 25, 50, 60, 85]
    assert np.unique(data.episode).tolist() == [0, 1, 2, 3, 4]
    assert all(getattr(data, name).flags.c_contiguous for name in ("observations", "actions", "goal", "command"))


def test_an_episode_number_used_twice_in_two_sessions_is_two_episodes(tmp_path, record):
    record(range(10))
    record(range(10))
    assert load_dataset(tmp_path).episode_bounds()[1].tolist() == [10, 20]


def test_rows_in_memory_and_rows_on_disk_make_the_same_dataset(tmp_path, record, spec, sender):
    record(range(70))
    stored = load_dataset(tmp_path)
    kept = Dataset.from_transitions([sender.transition(n, spec) for n in range(70)], spec)
    for name in ("observations", "actions", "rewards", "timeouts", "terminals", "episode", "step", "goal", "behaviour"):
        np.testing.assert_array_equal(getattr(stored, name), getattr(kept, name))


def test_another_task_is_refused_with_both_fingerprints(tmp_path, record, spec):
    record(range(5))
    other = replace(spec, rate_hz=10.0)
    with pytest.raises(SpecMismatch, match=r"rate_hz: here 10\.0, there 20\.0") as caught:
        load_dataset(tmp_path, other)
    assert other.fingerprint()[:12] in str(caught.value) and spec.fingerprint()[:12] in str(caught.value)


def test_sessions_of_two_tasks_do_not_mix(tmp_path, record, spec):
    record(range(5))
    SessionWriter(tmp_path, replace(spec, episode_steps=7)).seal("done")
    with pytest.raises(SpecMismatch, match="episode_steps"):
        load_dataset(tmp_path)


def test_an_empty_directory_says_what_to_do(tmp_path, spec):
    SessionWriter(tmp_path, spec).seal("nothing came")
    with pytest.raises(DatasetError, match="no session with a row"):
        load_dataset(tmp_path)


def test_a_session_being_written_is_not_seen(tmp_path, record, spec, sender):
    record(range(5))
    with SessionWriter(tmp_path, spec) as writer:
        writer.append(sender.transition(0, spec))
        writer.flush()
        assert len(load_dataset(tmp_path)) == 5


def test_the_hash_of_a_dataset_is_over_the_files_it_came_from(tmp_path, record):
    first, second = record(range(5), created_utc=at(1)), record(range(6), created_utc=at(2))
    expected = combined_sha256([sha256_file(first), sha256_file(second)])
    assert load_dataset(tmp_path).manifest_sha256 == expected
    (tmp_path / "manifest.json").unlink()
    assert load_dataset(tmp_path).manifest_sha256 == expected


@pytest.mark.parametrize("name", ["observations", "infos/goal"])
def test_a_missing_column_is_named(tmp_path, record, name):
    with h5py.File(record(range(5)), "r+") as file:
        del file[name]
    with pytest.raises(DatasetError, match=f"{name} is missing"):
        load_dataset(tmp_path)


def test_a_column_of_another_shape_is_named(tmp_path, record):
    with h5py.File(record(range(5)), "r+") as file:
        del file["rewards"], file["actions"]
        file["rewards"] = np.zeros(5, np.float32)
        file["actions"] = np.zeros((4, 2), np.float32)
    with pytest.raises(DatasetError, match=r"actions is float32 \(4, 2\), the task needs float32 \(5, 2\)"):
        load_dataset(tmp_path)


def test_somebody_elses_hdf5_is_named(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["observations"] = np.zeros((3, 2))
    with pytest.raises(DatasetError, match="no session file"):
        load_dataset(tmp_path)
