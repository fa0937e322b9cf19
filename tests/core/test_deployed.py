import numpy as np
import pytest

from turn_rl_ros.core.artifact import pack
from turn_rl_ros.core.deployed import FOLDER, HISTORY, RECENT_EPISODES, Deployed, read_history
from turn_rl_ros.core.errors import PolicyRejected, TurnRlError
from turn_rl_ros.core.store import PolicyStore, read_parcel, seal
from turn_rl_ros.core.task import make_spec

SPEC = make_spec({"kind": "gridworld"})


def parcel(turn):
    table = {"w0": np.zeros((1, 400, 5)), "b0": np.full((1, 1, 5), turn), "one_hot": np.array([20, 20])}
    return seal(pack("argmax_q", table, SPEC, np.zeros((1, 2), dtype=np.float32), {"turn": turn, "algorithm": "test"}))


PARCELS = {turn: parcel(turn) for turn in (1, 2, 3)}


def deployed(run_dir, *turns):
    history = Deployed(run_dir)
    for turn in turns:
        history.take(turn, PARCELS[turn], "2026-01-01T00:00:00")
    return history


def turns(shas):
    return [next(turn for turn, one in PARCELS.items() if one.sha256 == sha) for sha in shas]


def test_a_restart_finds_what_stood(tmp_path):
    deployed(tmp_path, 1, 2, 3)
    again = Deployed(tmp_path)
    assert turns(again.standing) == [1, 2, 3]
    assert again.parcel(again.standing[-1]) == PARCELS[3]


def test_a_rollback_outlives_a_restart(tmp_path):
    deployed(tmp_path, 1, 2).note("rolled back", "", sha256=PARCELS[2].sha256, turn=2, reason="worse")
    again = Deployed(tmp_path)
    assert turns(again.standing) == [1]
    assert again.withdrawn(PARCELS[2].sha256) == "worse"
    assert again.judged(PARCELS[2].sha256) and not again.judged(PARCELS[1].sha256)


def test_a_policy_that_comes_again_is_the_newest_and_stands_once(tmp_path):
    assert turns(deployed(tmp_path, 1, 2, 1).standing) == [2, 1]


def test_returns_are_those_of_the_newest_windows(tmp_path):
    history = deployed(tmp_path, 1)
    for window in range(3):
        history.note("acted", "", sha256=PARCELS[1].sha256, returns=[window * 100.0 + i for i in range(20)])
    kept = Deployed(tmp_path).returns(PARCELS[1].sha256)
    assert len(kept) == RECENT_EPISODES
    assert (kept[0], kept[-1]) == (10.0, 219.0)


def test_a_history_cut_at_any_byte_keeps_its_whole_lines_and_can_be_carried_on(tmp_path):
    history = deployed(tmp_path, 1, 2)
    path = tmp_path / FOLDER / HISTORY
    whole = path.read_bytes()
    first = len(whole.splitlines()[0])
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        assert len(read_history(tmp_path)) == (size >= first)
    history.note("passed", "", sha256=PARCELS[1].sha256)
    assert [event["event"] for event in read_history(tmp_path)] == ["taken", "passed"]


def test_a_file_that_changed_on_disk_is_refused(tmp_path):
    history = deployed(tmp_path, 1)
    path = history.store.find(1)
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(PolicyRejected, match="changed since it was written"):
        history.parcel(PARCELS[1].sha256)
    path.unlink()
    with pytest.raises(TurnRlError, match="has lost policy"):
        history.parcel(PARCELS[1].sha256)


def test_a_signature_travels_with_its_policy(tmp_path):
    signed = PARCELS[1].__class__(PARCELS[1].blob, PARCELS[1].sha256, "ab" * 64)
    assert read_parcel(PolicyStore(tmp_path).keep(1, signed)) == signed


def test_a_directory_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / FOLDER).write_text("a file in the way")
    with pytest.raises(TurnRlError, match="cannot write"):
        deployed(tmp_path, 1)
