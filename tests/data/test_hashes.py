import json
import os

import pytest

from turn_rl_ros.data import hashes, manifest
from turn_rl_ros.data.dataset import load_dataset
from turn_rl_ros.data.errors import DatasetError
from turn_rl_ros.data.hashes import Hashes, sha256_file, stamp
from turn_rl_ros.data.sealed import read_info


@pytest.fixture
def settled(monkeypatch):
    """A clock by which a file that was just written changed long ago."""
    monkeypatch.setattr(hashes, "SETTLED_NS", -(10**18))


def damage(path):
    """Turn one bit of a reward."""
    data = bytearray(path.read_bytes())
    data[read_info(path).offsets["rewards"] + 7] ^= 4
    path.write_bytes(data)


def remember(path, sha256):
    """Make the memory say that `path`, as it is now, has this hash."""
    content = {path.name: {"stamp": stamp(path), "sha256": sha256}}
    (path.parent / hashes.NAME).write_text(json.dumps(content))


def test_what_is_remembered_is_the_hash_of_the_bytes(tmp_path, record, settled):
    path = record(range(50))
    load_dataset(tmp_path)
    (found,) = json.loads((tmp_path / ".verified.json").read_text()).values()
    assert found["sha256"] == sha256_file(path) and found["stamp"] == stamp(path)


def test_an_unchanged_file_is_believed_and_not_read(tmp_path, record):
    """Seen by a memory that lies: the lie counts until somebody asks for every byte."""
    path = record(range(50))
    remember(path, "0" * 64)
    with pytest.raises(DatasetError, match="changed after it was sealed"):
        load_dataset(tmp_path)
    assert len(load_dataset(tmp_path, verify="always")) == 50


def test_a_changed_byte_is_found_though_its_time_is_put_back(tmp_path, record, settled):
    path = record(range(50))
    load_dataset(tmp_path)
    before = path.stat()
    damage(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    with pytest.raises(DatasetError, match="changed after it was sealed"):
        load_dataset(tmp_path)


def test_a_file_that_just_changed_is_not_remembered(tmp_path, record):
    record(range(50))
    load_dataset(tmp_path)
    assert not (tmp_path / ".verified.json").exists()


def test_a_bit_that_the_medium_lost_is_found_by_verify_and_then_by_every_load(tmp_path, record, settled):
    path = record(range(50))
    right = sha256_file(path)
    damage(path)
    remember(path, right)  # no write happened, as far as the file system knows
    assert len(load_dataset(tmp_path)) == 50
    with pytest.raises(DatasetError, match="changed after it was sealed"):
        load_dataset(tmp_path, verify="always")
    remember(path, right)
    assert "changed" in manifest.verify(tmp_path)[0]
    with pytest.raises(DatasetError, match="changed after it was sealed"):
        load_dataset(tmp_path)


def test_a_memory_that_cannot_be_written_costs_only_time(tmp_path, record, settled):
    record(range(50))
    (tmp_path / f".{hashes.NAME}.new").mkdir()
    assert len(load_dataset(tmp_path)) == 50
    assert not (tmp_path / hashes.NAME).exists()


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"a": 1}', '{"a": {"stamp": 3}}', "[" * 100_000, "\0"])
def test_a_damaged_memory_is_no_memory(tmp_path, record, text):
    path = record(range(5))
    (tmp_path / hashes.NAME).write_text(text)
    assert Hashes(tmp_path).of(path) == sha256_file(path)
    assert len(load_dataset(tmp_path)) == 5
