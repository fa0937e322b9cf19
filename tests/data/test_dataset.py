from dataclasses import replace
from datetime import datetime, timezone

import h5py
import numpy as np
import pytest

from turn_rl_ros.core.errors import SpecMismatch
from turn_rl_ros.data.dataset import Dataset, load_dataset
from turn_rl_ros.data.errors import DatasetError
from turn_rl_ros.data.hashes import sha256_file
from turn_rl_ros.data.manifest import combined_sha256, read_manifest, session_info
from turn_rl_ros.data.sealed import read_info, read_rows, sign
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
def test_a_missing_column_is_named(record, name):
    path = record(range(5))
    with h5py.File(path, "r+") as file:
        del file[name]
    sign(path)
    with pytest.raises(DatasetError, match=f"{name} is missing"):
        read_info(path)


def test_a_column_of_another_shape_is_named(record):
    path = record(range(5))
    with h5py.File(path, "r+") as file:
        del file["actions"]
        file["actions"] = np.zeros((4, 2), np.float32)
    sign(path)
    with pytest.raises(DatasetError, match=r"actions is float32 \(4, 2\), the task needs float32 \(5, 2\)"):
        read_info(path)


def test_a_compressed_column_is_named(record):
    path = record(range(5))
    with h5py.File(path, "r+") as file:
        del file["rewards"]
        file.create_dataset("rewards", data=np.zeros(5, np.float32), compression="gzip")
    sign(path)
    with pytest.raises(DatasetError, match="rewards is not stored contiguously"):
        read_info(path)


def test_one_flipped_bit_is_not_trained_on(tmp_path, record):
    path = record(range(50))
    data = bytearray(path.read_bytes())
    data[read_info(path).offsets["rewards"] + 7] ^= 4
    path.write_bytes(data)
    with pytest.raises(DatasetError, match="changed after it was sealed"):
        load_dataset(tmp_path)


def test_one_flipped_bit_is_found_without_the_manifest_too(record):
    path = record(range(50))
    data = bytearray(path.read_bytes())
    data[read_info(path).offsets["rewards"] + 7] ^= 4
    path.write_bytes(data)
    with pytest.raises(DatasetError, match="does not fit its sha256"):
        read_info(path)


def test_a_copy_made_by_another_hdf5_tool_is_read(tmp_path, record):
    path, copy = record(range(50), directory=tmp_path / "a"), tmp_path / "b.h5"
    with h5py.File(path) as source, h5py.File(copy, "w") as target:
        for name in source:
            source.copy(name, target)
        target.attrs.update(source.attrs)
    assert read_rows(read_info(copy)).tobytes() == read_rows(read_info(path)).tobytes()


def test_the_manifest_says_of_a_session_what_the_file_says(tmp_path, record):
    path = record(range(50))
    found, read = session_info(path, read_manifest(tmp_path)[path.name]), read_info(path)
    assert (found.rows, found.spec, dict(found.offsets)) == (read.rows, read.spec, dict(read.offsets))
    assert {k: repr(v) for k, v in found.facts.items()} == {k: repr(v) for k, v in read.facts.items()}  # NaN and all


def test_an_entry_that_points_outside_the_file_is_not_believed(tmp_path, record):
    path = record(range(50))
    entry = read_manifest(tmp_path)[path.name]
    entry["offsets"] = {**entry["offsets"], "goal": 10**9}
    assert session_info(path, entry).offsets == read_info(path).offsets


def test_rows_read_beside_the_manifest_are_the_rows_read_with_it(tmp_path, record):
    record(range(50))
    with_it = load_dataset(tmp_path, verify="never")
    (tmp_path / "manifest.json").unlink()
    without = load_dataset(tmp_path)
    for name in ("observations", "actions", "command", "timeouts", "step"):
        np.testing.assert_array_equal(getattr(with_it, name), getattr(without, name))


def test_somebody_elses_hdf5_is_named(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["observations"] = np.zeros((3, 2))
    with pytest.raises(DatasetError, match="no session file"):
        load_dataset(tmp_path)
