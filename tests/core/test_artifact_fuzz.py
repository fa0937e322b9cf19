"""Mutated artifacts are refused within 5 s and 64 MiB and run nothing; `make fuzz-policy` tries 10,000."""

import os
import subprocess
import sys

import numpy as np
import pytest

from benchmarks.fuzz_policy import batch, run, seeds
from turn_rl_ros.core.artifact import MAX_BYTES, open_artifact, pack
from turn_rl_ros.core.best_of import MAX_NUMBERS

COUNT = int(os.environ.get("TURN_RL_FUZZ", "500"))


def test_no_mutant_passes_crashes_hangs_swells_or_runs_anything():
    found = run(COUNT)
    assert set(found) <= {"refused", "forged"}, [line for line in found if line not in ("refused", "forged")]
    assert found["refused"] > 0.8 * COUNT, "also with a hash of its own a mutant seldom passes"


@pytest.mark.parametrize(
    ("deed", "said"), [("len(bytearray(65 * 2**20))", "MemoryError"), ("open('/dev/null').name", "tried to open")]
)
def test_the_limits_of_the_child_are_real(deed, said):
    """The harness would see what it looks for: here a parser that takes 65 MiB, and one that opens a file.

    In a process of its own: one that ran a whole suite has that much free on its heap.
    """
    code = (
        "from benchmarks import fuzz_policy as fuzz; "
        f"fuzz.try_one = lambda *_: str({deed}); print(fuzz.batch(range(1), fuzz.seeds())[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert said in done.stdout


def largest_table():
    hidden = (MAX_BYTES - 100_000) // 4 // 406
    big = {
        "w0": np.zeros((1, 400, hidden), dtype=np.float32),
        "b0": np.zeros((1, 1, hidden)),
        "w1": np.zeros((1, hidden, 5)),
        "b1": np.zeros((1, 1, 5)),
        "one_hot": np.array([20, 20]),
    }
    return "argmax_q", big, MAX_BYTES


def largest_choice():
    """As wide as its critics may be, with as many samples."""
    width, samples = 1019, 1025
    big = {"q_layer_norm": np.zeros(1), "obs_mean": np.zeros(2), "obs_std": np.ones(2)}
    big |= {"w0": np.zeros((1, 2, 4)), "b0": np.zeros((1, 1, 4)), "noise": np.zeros((samples, 2))}
    for layer, (inputs, outputs) in enumerate(((4, width), (width, width), (width, 1))):
        big |= {f"qw{layer}": np.zeros((2, inputs, outputs)), f"qb{layer}": np.zeros((2, 1, outputs))}
    return "best_of_q", big, 4 * MAX_NUMBERS


@pytest.mark.parametrize(("number", "largest"), [(0, largest_table), (2, largest_choice)])
def test_the_largest_artifact_fits_into_the_same_limit(number, largest, monkeypatch):
    spec, _ = seeds()[number]
    kind, big, limit = largest()
    blob = pack(kind, big, spec, np.zeros((2, 2), dtype=np.float32), {"turn": 1, "algorithm": "test"})
    assert 0.95 * limit < len(blob) <= 1.01 * limit
    monkeypatch.setattr("benchmarks.fuzz_policy.mutant", lambda *_: (spec, blob, blob))
    monkeypatch.setattr("benchmarks.fuzz_policy.try_one", lambda *_: str(open_artifact(blob, spec).turn))
    assert batch(range(1), seeds()) == ["1"]
