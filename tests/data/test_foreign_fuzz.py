"""A few mutants of each foreign format; `make fuzz-data` tries 2,000. TURN_RL_FUZZ sets how many."""

import os

import pytest

pytest.importorskip("pyarrow", reason="LeRobot's files are Parquet: pip install '.[lerobot]'")
from benchmarks.fuzz_data import NAMES, fuzz

COUNT = int(os.environ.get("TURN_RL_FUZZ", "60"))


@pytest.mark.parametrize("kind", NAMES)
def test_mutated_datasets_are_read_right_or_refused(tmp_path, kind):
    tally = fuzz(kind, range(COUNT), tmp_path / "fuzz", allowed_s=1)
    assert tally.broken == []
    assert tally.read and tally.refused  # the mutants are neither all harmless nor all rubbish
    assert tally.files == COUNT
