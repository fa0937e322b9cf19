import json
import math
from dataclasses import replace
from datetime import datetime, timezone

import h5py
import numpy as np
import pytest

from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.spec import Discrete
from turn_rl_ros.data.errors import DirectoryBusy, SessionError, SessionExists
from turn_rl_ros.data.manifest import read_manifest
from turn_rl_ros.data.sealed import read_info, read_rows
from turn_rl_ros.data.session import SessionWriter

MOMENT = datetime(2026, 11, 21, 5, 38, 12, tzinfo=timezone.utc)


def test_sealed_rows_are_the_rows_that_were_sent(record, spec, sender):
    path = record(range(130))
    rows = read_rows(read_info(path))
    assert rows.tobytes() == sender.expected_rows(np.arange(130), spec).tobytes()


def test_root_names_are_those_of_d4rl_and_raw_state_lies_below(record):
    with h5py.File(record(range(3))) as file:
        d4rl = {"observations", "actions", "rewards", "next_observations", "terminals", "timeouts"}
        assert set(file) == d4rl | {"infos"}
        assert file["observations"].dtype == np.float32 and file["terminals"].dtype == np.bool_
        assert file["infos/stamp_ns"][()].tolist() == [0, 2_000_000, 4_000_000]


def test_a_d4rl_loader_splits_our_episodes(record):
    # qlearning_dataset and sequence_dataset of D4RL end an episode where terminals or timeouts is set
    with h5py.File(record(range(60))) as file:
        done = file["terminals"][()] | file["timeouts"][()]
        lengths = np.diff(np.flatnonzero(done), prepend=-1)
    assert lengths.tolist() == [25, 25, 10]


def test_provenance_is_in_the_attributes(tmp_path, spec, sender):
    facts = {"turn": 3, "policy_sha256": "ab" * 32, "clock_source": "ros", "parameters": {"guard": {"rate_hz": 20.0}}}
    writer = SessionWriter(tmp_path, spec, facts, created_utc=MOMENT, session_id="first")
    writer.append(sender.transition(0, spec))
    path = writer.seal("budget spent", {"window_asked_s": 60.0, "window_used_s": 59.5, "drops": {"stale_action": 2}})
    assert path.name == "session-20261121T053812Z-first.h5"
    with h5py.File(path) as file:
        found = dict(file.attrs)
    assert found["turn"] == 3 and found["stop_reason"] == "budget spent" and found["window_used_s"] == 59.5
    assert found["fingerprint"] == spec.fingerprint() and found["task_spec"] == spec.to_json()
    assert json.loads(found["drops"]) == {"stale_action": 2}
    assert json.loads(found["parameters"]) == {"guard": {"rate_hz": 20.0}}


def test_what_nobody_told_reads_as_unknown(record):
    facts = read_info(record(range(2))).facts
    assert math.isnan(facts["window_asked_s"]) and facts["turn"] == -1 and facts["drops"] == {}


def test_an_unknown_attribute_is_refused(tmp_path, spec):
    with pytest.raises(SessionError, match="no attribute 'window_used'"):
        SessionWriter(tmp_path, spec, {"window_used": 3.0})


def test_figures_that_are_not_finite_do_not_stop_the_seal(tmp_path, spec):
    path = SessionWriter(tmp_path, spec).seal("done", {"wear": {"joint_travel_rad": math.nan}})
    assert math.isnan(read_info(path).facts["wear"]["joint_travel_rad"])
    assert read_manifest(tmp_path)[path.name]["wear"] == {"joint_travel_rad": None}


def test_an_attribute_that_json_cannot_hold_is_refused_at_once(tmp_path, spec):
    with pytest.raises(SessionError, match="parameters cannot be written as JSON"):
        SessionWriter(tmp_path, spec, {"parameters": {"low": np.zeros(2)}})


def test_the_first_stop_reason_stands(tmp_path, spec):
    writer = SessionWriter(tmp_path, spec)
    path = writer.seal("e-stop")
    assert writer.seal("window over") == path
    assert read_info(path).facts["stop_reason"] == "e-stop"


def test_a_dropped_step_and_the_end_of_the_window_are_truncations(record):
    rows = read_rows(read_info(record([0, 1, 3, 4, 24, 25])))
    # 1 -> 3 and 4 -> 24 leave steps out; 24 ends episode 0 (terminated); 25 is the last row of the window
    assert rows["timeouts"].tolist() == [False, True, False, True, False, True]
    assert rows["terminals"].tolist() == [False, False, False, False, True, False]


def test_a_command_nobody_recorded_is_nan(tmp_path, spec, sender):
    writer = SessionWriter(tmp_path, spec)
    writer.append(replace(sender.transition(0, spec), command=np.zeros(0)))
    assert np.isnan(read_rows(read_info(writer.seal("done")))["command"]).all()


def test_a_short_vector_is_left_out_by_name_and_not_stretched(tmp_path, spec, sender):
    writer = SessionWriter(tmp_path, spec)
    for number in (0, 1, 2):
        row = sender.transition(number, spec)
        writer.append(replace(row, goal=np.zeros(1)) if number == 1 else row)
    with pytest.raises(SessionError, match=r"left out: goal has shape \(1,\).* the task needs \(3,\)"):
        writer.flush()
    info = read_info(writer.seal("done"))
    assert read_rows(info)["step"].tolist() == [0, 2] and info.facts["drops"] == {"malformed": 1}


def test_discrete_actions_are_plain_indices(tmp_path, spec, sender):
    grid = replace(spec, action=Discrete(("stay", "up")))
    writer = SessionWriter(tmp_path, grid)
    for action in (np.int64(1), 0):
        writer.append(replace(sender.transition(0, spec), action=action))
    assert read_rows(read_info(writer.seal("done")))["actions"].tolist() == [1, 0]


def test_a_second_recorder_on_the_directory_is_refused(tmp_path, spec):
    with SessionWriter(tmp_path, spec), pytest.raises(DirectoryBusy, match="another process records"):
        SessionWriter(tmp_path, spec)
    SessionWriter(tmp_path, spec).close()


def test_an_existing_name_is_never_overwritten(record, tmp_path, spec):
    path = record(range(5), created_utc=MOMENT, session_id="same")
    before = path.read_bytes()
    with pytest.raises(SessionExists, match="not overwritten"):
        SessionWriter(tmp_path, spec, created_utc=MOMENT, session_id="same")
    assert path.read_bytes() == before


def test_a_name_taken_while_recording_is_not_overwritten_either(tmp_path, spec, sender):
    writer = SessionWriter(tmp_path, spec)
    writer.append(sender.transition(0, spec))
    writer.path.write_bytes(b"somebody else's")
    with pytest.raises(SessionExists):
        writer.seal("done")
    assert writer.path.read_bytes() == b"somebody else's"
    assert writer.path.with_name(writer.path.name + ".part").exists()


def test_a_session_without_rows_seals(tmp_path, spec):
    path = SessionWriter(tmp_path, spec).seal("window over")
    assert read_info(path).rows == 0


def test_rows_beyond_the_memory_are_counted_not_waited_for(tmp_path, spec, sender):
    writer = SessionWriter(tmp_path, spec, capacity=10)
    with writer._writing:  # the disk stalls
        for number in range(14):
            writer.append(sender.transition(number, spec))
    info = read_info(writer.seal("done", {"drops": {"stale_action": 1}}))
    assert info.rows == 10 and info.facts["drops"] == {"stale_action": 1, "writer_backlog": 4}
    assert info.facts["backlog_rows"] == 10


def test_flushing_now_and_then_does_not_mix_rows(tmp_path, spec, sender):
    writer = SessionWriter(tmp_path, spec, capacity=7)
    for number in range(50):
        writer.append(sender.transition(number, spec))
        if number % 5 == 4:
            writer.flush()
    assert read_rows(read_info(writer.seal("done"))).tobytes() == sender.expected_rows(np.arange(50), spec).tobytes()


def test_no_row_after_the_seal(tmp_path, spec, sender):
    writer = SessionWriter(tmp_path, spec)
    writer.seal("done")
    with pytest.raises(SessionError, match="is closed"):
        writer.append(sender.transition(0, spec))


def test_a_directory_that_cannot_be_made_is_one_clear_line(tmp_path, spec):
    (tmp_path / "file").write_text("")
    with pytest.raises(TurnRlError, match="cannot write sessions into") as caught:
        SessionWriter(tmp_path / "file" / "sessions", spec)
    assert "\n" not in str(caught.value)


def test_long_parameters_fit_into_an_attribute(tmp_path, spec):
    parameters = {f"name_{i}": "x" * 100 for i in range(2000)}  # 200 KB; plain HDF5 attributes end at 64 KB
    path = SessionWriter(tmp_path, spec, {"parameters": parameters}).seal("done")
    assert read_info(path).facts["parameters"] == parameters
