"""Sessions in which the arm was told nothing are no training data, unless there is nothing else."""

from turn_rl_ros.data.dataset import load_dataset


def test_dry_runs_are_left_out_beside_what_really_happened(tmp_path, record):
    record(range(10), facts={"dry_run": True})
    assert len(load_dataset(tmp_path)) == 10, "whoever names a directory of dry runs asks for them"
    record(range(100, 125))
    data = load_dataset(tmp_path)
    assert len(data) == 25 and not any(info.facts["dry_run"] for info in data.sessions)
