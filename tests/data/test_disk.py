import pytest

from turn_rl_ros.data import disk
from turn_rl_ros.data.errors import SessionError


def test_a_window_counts_its_rows_twice_once_to_record_and_once_to_seal(spec):
    # Row by hand: 2+2+2 float32 and a float32 reward (28), 2 flags, 5 vectors of 2 float64 (80), goal 24,
    # 4 int64 (32), 2 int32 (8) = 174; the journal adds a CRC of 4. At 20 Hz, 60 s are 1200 rows.
    assert disk.expected_bytes(spec, 60.0) == 1200 * (178 + 174) + 2**18


def test_a_sealed_session_and_its_journal_fit_into_the_forecast(tmp_path, record, spec):
    path = record(range(1200))
    assert path.stat().st_size + 1200 * 178 < disk.expected_bytes(spec, 60.0)


def test_too_little_room_is_refused_with_the_figures(small_disk, spec):
    disk_path, remount = small_disk
    remount("size=1m")
    disk.require_room(disk_path / "not" / "yet", spec, 20.0)
    with pytest.raises(SessionError, match=r"window of 600 s needs 4\.5 MB .* 1\.0 MB are free.* at most 112 s"):
        # 600 * 20 * 352 + 2**18 = 4,486,144; (2**20 - 2**18) / (20 * 352) = 111.7 s
        disk.require_room(disk_path, spec, 600.0)
