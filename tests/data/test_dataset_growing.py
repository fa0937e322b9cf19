from dataclasses import fields
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from turn_rl_ros.core.task import make_spec
from turn_rl_ros.data.columns import FOLDER, ROOM
from turn_rl_ros.data.dataset import Loader, load_dataset
from turn_rl_ros.data.derive import new_sessions
from turn_rl_ros.data.errors import DatasetError
from turn_rl_ros.data.manifest import read_manifest, write_manifest
from turn_rl_ros.data.schema import row_dtype
from turn_rl_ros.data.select import episodes

BOTH = pytest.mark.parametrize("mmap", [False, True], ids=["memory", "mapped"])


@pytest.fixture
def add(record):
    """Seal a session of so many rows that began so many minutes after midnight."""

    def make(minute, rows, **arguments):
        began = datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(minutes=minute)
        return record(range(minute * 1000, minute * 1000 + rows), created_utc=began, **arguments)

    return make


def remove(path):
    known = read_manifest(path.parent)
    del known[path.name]
    path.unlink()
    write_manifest(path.parent, known)


def arrays(data):
    return {f.name: getattr(data, f.name) for f in fields(data) if isinstance(getattr(data, f.name), np.ndarray)}


def assert_same(ours, right):
    assert [info.path for info in ours.sessions] == [info.path for info in right.sessions]
    assert ours.manifest_sha256 == right.manifest_sha256
    for name, column in arrays(ours).items():
        np.testing.assert_array_equal(column, getattr(right, name), err_msg=name)
        assert column.flags.c_contiguous and column.dtype == getattr(right, name).dtype


@BOTH
def test_what_grew_is_what_a_first_load_gives(tmp_path, add, mmap):
    """Sessions at the end, an empty one, one in between, one gone; and more rows than there was room for."""
    loader, rng = Loader(tmp_path, mmap=mmap), np.random.default_rng(0)
    paths = [add(100, 30)]
    for minute, rows in ((101, 10), (102, 0), (103, 200), (50, 7), (104, 1), (105, 60)):
        paths.append(add(minute, rows))
        assert_same(loader.load(), load_dataset(tmp_path))
        if minute == 104:
            remove(paths.pop(int(rng.integers(len(paths)))))
            assert_same(loader.load(), load_dataset(tmp_path))


@BOTH
def test_a_dataset_stays_as_it_was_while_the_next_one_grows(tmp_path, add, mmap):
    add(100, 30)
    loader = Loader(tmp_path, mmap=mmap)
    first = loader.load()
    before = {name: column.copy() for name, column in arrays(first).items()}
    for minute in (101, 50, 102):
        add(minute, 25)
        loader.load()
    for name, column in arrays(first).items():
        np.testing.assert_array_equal(column, before[name])


@BOTH
def test_growing_reads_the_new_session_alone(tmp_path, add, mmap):
    """The old file holds rubbish by then: who read it would fail."""
    old = add(100, 30)
    loader = Loader(tmp_path, mmap=mmap)
    first = loader.load()
    old.write_bytes(bytes(old.stat().st_size))
    add(101, 30)
    data = loader.load()
    np.testing.assert_array_equal(data.observations[:30], first.observations)
    assert len(data) == 60
    with pytest.raises(DatasetError, match="changed after it was sealed"):
        load_dataset(tmp_path)


def test_rows_in_memory_stay_where_they_are_while_there_is_room(tmp_path, add):
    add(100, 30)
    loader = Loader(tmp_path)
    first = loader.load()
    add(101, 30 * (ROOM - 1))
    assert np.shares_memory(first.observations, loader.load().observations)
    add(102, 1)
    assert not np.shares_memory(first.observations, loader.load().observations)


def test_a_session_that_could_not_be_read_leaves_the_loader_as_it_was(tmp_path, add):
    add(100, 30)
    loader = Loader(tmp_path)
    loader.load()
    bad = add(101, 30)
    bad.write_bytes(bytes(bad.stat().st_size))
    with pytest.raises(DatasetError, match="changed after it was sealed"):
        loader.load()
    remove(bad)
    add(102, 20)
    assert_same(loader.load(), load_dataset(tmp_path))


def test_mapped_columns_are_read_only_and_have_episodes(tmp_path, add):
    add(100, 60)
    data = load_dataset(tmp_path, mmap=True)
    assert [len(part) for part in episodes(data)] == [25, 25, 10]
    assert all(np.shares_memory(part.actions, data.actions) for part in episodes(data))
    with pytest.raises(ValueError, match="read-only"):
        data.rewards[0] = 1.0


@BOTH
def test_columns_without_values_have_their_shape(tmp_path, mmap):
    """Imported data has no joints."""
    spec = make_spec({"kind": "recorded"})
    for number in range(2):
        rows = np.zeros(5, row_dtype(spec))
        rows["step"] = np.arange(5)
        with new_sessions(tmp_path / f"{number}") as sessions:
            sessions.add(spec, rows, {"created_utc": f"2026-01-0{number + 1}T00:00:00", "session_id": "x"})
    for path in (tmp_path / "1").glob("*.h5"):
        path.rename(tmp_path / "0" / path.name)
    data = load_dataset(tmp_path / "0", mmap=mmap)
    assert data.joint_position.shape == (10, 0) and data.episode.tolist() == [0] * 5 + [1] * 5


def test_two_processes_may_extend_the_same_columns(tmp_path, add):
    one, other = Loader(tmp_path, mmap=True), Loader(tmp_path, mmap=True)
    for minute in range(100, 106):
        add(minute, 20)
        for loader in (one, other) if minute % 2 else (other, one):
            assert_same(loader.load(), load_dataset(tmp_path))


@pytest.mark.parametrize("name", ["rewards.bin", "index.json"])
def test_damaged_columns_are_made_anew(tmp_path, add, name):
    add(100, 20)
    load_dataset(tmp_path, mmap=True)
    path = tmp_path / FOLDER / name
    path.write_bytes(bytes(path.stat().st_size))
    assert_same(load_dataset(tmp_path, mmap=True), load_dataset(tmp_path))


def test_columns_grow_right_after_a_kill_at_any_moment(tmp_path, add, in_child, kill_at):
    loader, code, moment = Loader(tmp_path, mmap=True), -9, 1
    while code == -9:
        minute = 100 + moment
        add(minute, 20)

        def grow(moment=moment):
            kill_at(moment)
            loader.load()

        moment += 3
        code = in_child(grow)
        assert_same(load_dataset(tmp_path, mmap=True), load_dataset(tmp_path))
    assert code == 0 and moment > 30


def test_a_full_disk_is_an_error_with_a_way_out(small_disk, add):
    disk, _ = small_disk
    add(100, 1000, directory=disk)
    add(101, 400, directory=disk)
    with pytest.raises(DatasetError, match=r"cannot keep columns in .*No space left.*load without mmap"):
        load_dataset(disk, mmap=True)
    assert len(load_dataset(disk)) == 1400
