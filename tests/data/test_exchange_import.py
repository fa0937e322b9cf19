"""Foreign files become sessions or are refused by key and row; D4RL's variants worked out by hand."""

import hashlib
import json

import h5py
import numpy as np
import pytest

from turn_rl_ros.core.spec import Box
from turn_rl_ros.data import manifest
from turn_rl_ros.data.dataset import load_dataset
from turn_rl_ros.data.exchange.checks import ExchangeError
from turn_rl_ros.data.exchange.describe import Said
from turn_rl_ros.data.exchange.imports import import_file

STATES = np.array([[0, 0], [1, 0], [2, 0], [3, 0], [10, 0], [11, 0], [20, 0]], np.float32)
"""Observations of three episodes: 4 rows that end terminal, 2 that time out, and 1 cut by the end of the file."""


def d4rl(path, **changes):
    """A D4RL file of seven rows; None leaves a key out."""
    columns = {
        "observations": STATES,
        "actions": np.linspace(-1, 1, 14, dtype=np.float32).reshape(7, 2),
        "rewards": np.arange(7, dtype=np.float32),
        "terminals": np.array([0, 0, 0, 1, 0, 0, 0], bool),
        "timeouts": np.array([0, 0, 0, 0, 0, 1, 0], bool),
    }
    with h5py.File(path, "w") as file:
        for key, values in {**columns, **changes}.items():
            if values is not None:
                file[key] = values
    return path


def ends(data):
    return np.flatnonzero(data.terminals).tolist(), np.flatnonzero(data.timeouts).tolist()


def test_without_next_observations_the_next_row_is_next_and_the_last_row_of_a_timeout_goes(tmp_path):
    made = import_file(d4rl(tmp_path / "x.hdf5"), tmp_path / "out")
    data = load_dataset(tmp_path / "out")
    assert data.rewards.tolist() == [0, 1, 2, 3, 4]  # 5 (timed out) and 6 (the file ends) have no next observation
    assert data.next_observations[:, 0].tolist() == [1, 2, 3, 3, 11]  # a terminal row keeps its own
    assert ends(data) == ([3], [4])
    assert "the last row of 2 timed-out episodes is left out" in made.notes[0]


def test_without_timeouts_only_terminals_end_an_episode_and_the_import_says_so(tmp_path):
    made = import_file(d4rl(tmp_path / "x.hdf5", timeouts=None), tmp_path / "out")
    data = load_dataset(tmp_path / "out")
    assert data.next_observations[:, 0].tolist() == [1, 2, 3, 3, 11, 20]
    assert ends(data) == ([3], [5])
    assert "there are no timeouts: episode ends are taken from terminals alone" in made.notes


def test_without_timeouts_a_gap_in_next_observations_ends_an_episode(tmp_path):
    following = STATES + np.array([1, 0], np.float32)
    made = import_file(d4rl(tmp_path / "x.hdf5", timeouts=None, next_observations=following), tmp_path / "out")
    data = load_dataset(tmp_path / "out")
    assert len(data) == 7 and ends(data) == ([3], [5, 6])
    assert data.step.tolist() == [0, 1, 2, 3, 0, 1, 0] and data.episode.tolist() == [0, 0, 0, 0, 1, 1, 2]
    assert any("at 1 places, first after row 5" in note for note in made.notes)


def test_a_row_that_is_terminal_and_timed_out_is_terminal(tmp_path):
    both = np.array([0, 0, 0, 1, 0, 1, 0], bool)
    made = import_file(d4rl(tmp_path / "x.hdf5", timeouts=both), tmp_path / "out")
    assert ends(load_dataset(tmp_path / "out")) == ([3], [4])
    assert any("1 rows are terminal and timed out, first row 3" in note for note in made.notes)


def test_the_session_says_where_it_comes_from_and_nothing_about_a_robot(tmp_path):
    source = d4rl(tmp_path / "x.hdf5")
    made = import_file(source, tmp_path / "out", said=Said(robot="cheetah", rate_hz=10.0))
    data = load_dataset(tmp_path / "out")
    facts = data.sessions[0].facts
    derived = facts["derived_from"]
    assert (derived["file"], derived["format"]) == ("x.hdf5", "d4rl")
    assert derived["sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
    assert derived["done"] == list(made.notes)
    assert facts["window_used_s"] == pytest.approx(0.5) and data.spec.robot == "cheetah"
    assert data.joint_position.shape == (5, 0) and data.goal.shape == (5, 0) and (data.behaviour == -1).all()
    assert data.spec.episode_steps == 4
    assert manifest.verify(tmp_path / "out") == []


def test_action_bounds_are_those_told_else_one_else_those_seen(tmp_path):
    path = d4rl(tmp_path / "x.hdf5")
    bounds = {}
    for name, source, said in (
        ("told", path, Said(action_low=-3.0, action_high=4.0)),
        ("one", path, None),
        ("seen", d4rl(tmp_path / "y.hdf5", actions=np.array([[5.0, 2]] * 3 + [[6, 2]] * 4)), None),
    ):
        import_file(source, tmp_path / name, said=said)
        action = load_dataset(tmp_path / name).spec.action
        bounds[name] = (action.low, action.high)
    assert bounds["told"] == ((-3, -3), (4, 4)) and bounds["one"] == ((-1, -1), (1, 1))
    assert bounds["seen"] == ((5, 1), (6, 3))  # the second never changes: one less, one more


def test_what_the_user_says_must_make_sense(tmp_path):
    path = d4rl(tmp_path / "x.hdf5")
    for said, why in (
        (Said(action_low=-1.0), "go together"),
        (Said(action_low=-np.inf, action_high=1.0), "go together, finite"),
        (Said(action_low=-0.5, action_high=0.5), "actions at row 0 are outside the bounds of --action-low"),
        (Said(rate_hz=0.0), "a control rate of 0 Hz cannot be right"),
    ):
        with pytest.raises(ExchangeError, match=why):
            import_file(path, tmp_path / "out", said=said)
    assert not (tmp_path / "out").exists()


def test_whole_numbers_are_indices_of_actions(tmp_path):
    import_file(d4rl(tmp_path / "x.hdf5", actions=np.array([0, 2, 1, 0, 1, 2, 0])), tmp_path / "out")
    data = load_dataset(tmp_path / "out")
    assert data.spec.discrete and data.spec.action.size == 3 and data.actions.tolist() == [0, 2, 1, 0, 1]


def test_a_second_file_joins_the_first_as_the_same_task(tmp_path):
    import_file(d4rl(tmp_path / "x.hdf5"), tmp_path / "out")
    import_file(d4rl(tmp_path / "y.hdf5", observations=STATES * 2), tmp_path / "out")
    data = load_dataset(tmp_path / "out")
    assert len(data.sessions) == 2 and len(data) == 10 and isinstance(data.spec.action, Box)


def test_a_file_of_another_shape_does_not_join(tmp_path):
    import_file(d4rl(tmp_path / "x.hdf5"), tmp_path / "out")
    with pytest.raises(ExchangeError, match=r"2 observations, 2 actions.*have 3 and 2: choose another directory"):
        import_file(d4rl(tmp_path / "y.hdf5", observations=np.ones((7, 3))), tmp_path / "out")
    with pytest.raises(ExchangeError, match="actions at row 0 are outside the bounds of the sessions in"):
        import_file(d4rl(tmp_path / "z.hdf5", actions=np.arange(13.0, -1, -1).reshape(7, 2) / 12.5), tmp_path / "out")
    assert len(load_dataset(tmp_path / "out")) == 5


def with_value(value, row, column):
    values = STATES.astype(np.float64)
    values[row, column] = value
    return values


REFUSED = {
    "observations is nan at row 4, column 1": {"observations": with_value(np.nan, 4, 1)},
    "observations is inf at row 2, column 0": {"observations": with_value(1e300, 2, 0)},
    "rewards is missing; there is actions, observations, terminals, timeouts": {"rewards": None},
    "observations has 7 rows, actions has 6": {"actions": np.ones((6, 2))},
    "observations is empty, its shape is (0, 2)": {"observations": np.zeros((0, 2))},
    "terminals is 0.5 at row 1; a flag is 0 or 1": {"terminals": np.array([0, 0.5, 0, 0, 0, 0, 0])},
    "rewards has shape (7, 2), one number a row is needed": {"rewards": np.ones((7, 2))},
    "actions has values of type": {"actions": np.array([b"left"] * 7)},
    "observations has shape (7, 8, 8, 3): one vector a row is needed": {"observations": np.zeros((7, 8, 8, 3), "u1")},
    "rewards is a single value, not a row for each step": {"rewards": 3.0},
    "actions is -1 at row 2; an action index is 0 to 4095": {"actions": np.array([0, 1, -1, 0, 0, 0, 0])},
    "next_observations has shape (7, 3), observations (7, 2)": {"next_observations": np.ones((7, 3))},
}


@pytest.mark.parametrize("message", REFUSED)
def test_a_bad_column_is_refused_by_key_and_row_and_nothing_stays(tmp_path, message):
    with pytest.raises(ExchangeError) as refused:
        import_file(d4rl(tmp_path / "x.hdf5", **REFUSED[message]), tmp_path / "out", "d4rl")
    assert str(refused.value).startswith(f"x.hdf5: {message}") and not (tmp_path / "out").exists()


def test_a_link_to_another_file_is_not_followed(tmp_path):
    other, path = d4rl(tmp_path / "other.hdf5"), d4rl(tmp_path / "x.hdf5", rewards=None)
    with h5py.File(path, "r+") as file:
        file["rewards"] = h5py.ExternalLink(other, "/rewards")
    with pytest.raises(ExchangeError, match="rewards is a link to elsewhere"):
        import_file(path, tmp_path / "out")


def test_values_kept_in_another_file_are_not_read(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(56))
    path = d4rl(tmp_path / "x.hdf5", rewards=None)
    with h5py.File(path, "r+") as file:
        file.create_dataset("rewards", (7,), "f8", external=[(str(tmp_path / "secret"), 0, 56)])
    with pytest.raises(ExchangeError, match="rewards takes its values from another file"):
        import_file(path, tmp_path / "out")


def test_a_shape_that_no_memory_holds_is_refused(tmp_path):
    path = d4rl(tmp_path / "x.hdf5", observations=None)
    with h5py.File(path, "r+") as file:
        file.create_dataset("observations", (10**10, 12), "f4", chunks=(1000, 12))
    with pytest.raises(ExchangeError, match="do not fit into the memory"):
        import_file(path, tmp_path / "out")


def test_what_is_no_dataset_is_refused(tmp_path):
    (tmp_path / "text").write_text("hello")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.txt").write_text("x")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    for name, why in (
        ("text", "not a readable HDF5 file"),
        ("folder", "a folder of no known format"),
        ("other.h5", "HDF5 of no known format"),
        ("nothing", "does not exist"),
    ):
        with pytest.raises(ExchangeError, match=why):
            import_file(tmp_path / name, tmp_path / "out")
    with pytest.raises(ExchangeError, match="there is no format 'hdf'; known: d4rl, minari"):
        import_file(tmp_path / "other.h5", tmp_path / "out", "hdf")


def test_an_episode_without_its_last_observation_is_no_minari(tmp_path):
    folder = tmp_path / "x-v0" / "data"
    folder.mkdir(parents=True)
    (folder / "metadata.json").write_text(json.dumps({"data_format": "hdf5"}))
    with h5py.File(folder / "main_data.hdf5", "w") as file:
        group = file.create_group("episode_0")
        group["observations"], group["actions"], group["rewards"] = np.ones((4, 2)), np.ones((4, 1)), np.ones(4)
        group["terminations"], group["truncations"] = np.zeros(4, bool), np.zeros(4, bool)
    with pytest.raises(ExchangeError, match="episode_0/observations has 4 rows for 4 actions; 5 are needed"):
        import_file(tmp_path / "x-v0", tmp_path / "out")
    with h5py.File(folder / "main_data.hdf5", "r+") as file:
        del file["episode_0/observations"]
        file["episode_0/observations"] = np.ones((5, 2))
        file["episode_0/terminations"][1] = True
    with pytest.raises(ExchangeError, match="episode_0/terminations is true at row 1 of 4, before the last one"):
        import_file(tmp_path / "x-v0", tmp_path / "out")


def test_an_import_onto_a_full_disk_leaves_nothing(tmp_path, small_disk):
    disk, _ = small_disk
    source = d4rl(tmp_path / "x.hdf5")
    (disk / "filler").write_bytes(bytes(480 * 1024))
    with pytest.raises(ExchangeError, match=r"cannot write into .* nothing was imported"):
        import_file(source, disk / "out")
    assert [one.name for one in (disk / "out").iterdir()] == [".recording.lock"]
