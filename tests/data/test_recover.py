import json

import numpy as np
import pytest

from turn_rl_ros.data.errors import DirectoryBusy, SessionError
from turn_rl_ros.data.manifest import read_manifest, sealed_files, verify
from turn_rl_ros.data.recover import recover
from turn_rl_ros.data.sealed import read_info, read_rows
from turn_rl_ros.data.session import SessionWriter


@pytest.fixture
def part(tmp_path, spec, sender):
    """A `.part` with 30 rows, as a killed recorder leaves it."""
    writer = SessionWriter(tmp_path, spec, {"turn": 2})
    for number in range(30):
        writer.append(sender.transition(number, spec))
    writer.close()
    return next(tmp_path.glob("*.part"))


def test_the_cut_episode_is_marked_truncated_and_the_facts_stay(part, tmp_path):
    (found,) = recover(tmp_path)
    info = read_info(found.path)
    assert found.rows == 30 and "30 rows of 2 episodes, the last one cut short" in found.message
    assert read_rows(info)["timeouts"].nonzero()[0].tolist() == [29]
    assert info.facts["turn"] == 2 and info.facts["recovered"] and info.facts["cut_episodes"] == 1
    assert info.facts["window_used_s"] == pytest.approx(30 * 0.002)


def test_half_a_row_at_the_end_is_lost_and_said(part, tmp_path, spec, sender):
    data = part.read_bytes()
    part.write_bytes(data + data[-100:-10])
    (found,) = recover(tmp_path)
    assert "90 bytes of an unfinished write are lost" in found.message
    assert read_rows(read_info(found.path)).tobytes() == sender.expected_rows(np.arange(30), spec).tobytes()


def test_a_flipped_bit_ends_the_rows_there(part, tmp_path, spec, sender):
    data = bytearray(part.read_bytes())
    size = (len(data) - data.index(b"}", data.rindex(b"turn")) - 1) // 30
    data[len(data) - 10 * size] ^= 1  # in row 20
    part.write_bytes(data)
    (found,) = recover(tmp_path)
    assert found.rows == 20
    assert read_rows(read_info(found.path)).tobytes() == sender.expected_rows(np.arange(20), spec).tobytes()


def test_an_unreadable_part_is_kept_and_named(part, tmp_path):
    data = part.read_bytes()
    part.write_bytes(data[:40])
    (found,) = recover(tmp_path)
    assert found.path.name == part.name + ".damaged" and found.path.read_bytes() == data[:40]
    assert "damaged header" in found.message and recover(tmp_path) == []


def test_a_part_with_another_session_in_its_place_is_kept(part, tmp_path, record):
    other = record(range(5), directory=tmp_path / "other")
    final = part.with_name(part.name.removesuffix(".part"))
    other.rename(final)
    before = final.read_bytes()
    (found,) = recover(tmp_path)
    assert final.read_bytes() == before and found.path.name.endswith(".part.damaged")


def test_a_directory_in_use_is_left_alone(part, tmp_path, spec):
    with SessionWriter(tmp_path, spec), pytest.raises(DirectoryBusy):
        recover(tmp_path)
    assert part.exists()


def test_a_missing_directory_has_nothing_to_recover(tmp_path):
    assert recover(tmp_path / "nowhere") == []


def test_verify_names_each_problem(tmp_path, record):
    paths = [record(range(10), session_id=f"s{i}") for i in range(5)]
    assert verify(tmp_path) == []
    paths[0].unlink()
    paths[1].write_bytes(paths[1].read_bytes()[:-1])
    changed = bytearray(paths[2].read_bytes())
    changed[-1] ^= 1
    paths[2].write_bytes(changed)
    (tmp_path / "session-x.h5").write_bytes(paths[3].read_bytes())
    words = sorted((line.split(":")[0].rsplit("-", 1)[1], line.split()[1].rstrip(",")) for line in verify(tmp_path))
    assert words == [("s0.h5", "missing"), ("s1.h5", "truncated"), ("s2.h5", "changed"), ("x.h5", "foreign")]


def test_the_manifest_has_the_provenance(tmp_path, record, spec):
    path = record(range(10))
    entry = read_manifest(tmp_path)[path.name]
    assert entry["rows"] == 10 and entry["fingerprint"] == spec.fingerprint() and entry["window_asked_s"] is None
    json.loads((tmp_path / "manifest.json").read_text(), parse_constant=pytest.fail)  # strict JSON: no NaN


def test_a_damaged_manifest_is_set_aside_and_made_anew(tmp_path, record):
    path = record(range(10))
    entries = read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(SessionError, match="turn-rl data recover"):
        verify(tmp_path)
    (found,) = recover(tmp_path)
    assert found.path.read_text() == "{" and read_manifest(tmp_path) == entries
    assert verify(tmp_path) == [] and sealed_files(tmp_path) == [path]
