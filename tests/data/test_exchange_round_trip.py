"""What goes out comes back, and the other side's own library opens it."""

import json

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

from turn_rl_ros.cli import app
from turn_rl_ros.data.dataset import load_dataset
from turn_rl_ros.data.exchange.checks import ExchangeError
from turn_rl_ros.data.exchange.exports import export
from turn_rl_ros.data.exchange.imports import import_file

OUT = {"d4rl": "x.hdf5", "minari": "x-v0", "robomimic": "x.hdf5", "lerobot": "x", "d3rlpy": "x.h5"}
COLUMNS = ("observations", "actions", "rewards", "next_observations", "terminals", "timeouts")


@pytest.fixture(params=OUT)
def kind(request):
    if request.param == "lerobot":
        pytest.importorskip("pyarrow", reason="LeRobot's files are Parquet: pip install '.[lerobot]'")
    return request.param


@pytest.fixture(params=["vectors", "indices"])
def data(request, tmp_path):
    """Three episodes of 3, 2 and 1 rows: terminal, timed out, cut; a walk whose observation counts on."""
    states = np.array([[0, 5], [1, 4], [2, 3], [3, 2], [20, 5], [21, 4], [22, 3], [40, 0], [41, 1]], np.float32)
    now, after = [0, 1, 2, 4, 5, 7], [1, 2, 3, 5, 6, 8]
    with h5py.File(tmp_path / "source.hdf5", "w") as file:
        file["observations"], file["next_observations"] = states[now], states[after]
        file["rewards"] = np.array([0.5, -1, 2, 3, 4, 5], np.float32)
        file["terminals"] = np.array([0, 0, 1, 0, 0, 0], bool)
        file["timeouts"] = np.array([0, 0, 0, 0, 1, 0], bool)
        vectors = np.linspace(-1, 1, 12, dtype=np.float32).reshape(6, 2)
        file["actions"] = vectors if request.param == "vectors" else np.array([0, 1, 2, 2, 1, 0])
    import_file(tmp_path / "source.hdf5", tmp_path / "sessions")
    return load_dataset(tmp_path / "sessions")


@pytest.fixture
def recorded(record):
    """A dataset that a robot's recorder wrote, two whole episodes and a cut one."""
    return load_dataset(record(range(60)).parent)


def differing(one, other, columns=COLUMNS):
    return [name for name in columns if not np.array_equal(getattr(one, name), getattr(other, name))]


def test_rows_come_back_as_they_went(tmp_path, data, kind):
    out = tmp_path / "out" / OUT[kind]
    export(data, kind, out)
    made = import_file(out, tmp_path / "back")
    back = load_dataset(tmp_path / "back")
    assert made.kind == kind
    if kind == "d3rlpy":  # has no place for what follows a terminal row
        assert differing(data, back) == ["next_observations"]
        whole = ~data.terminals
        assert np.array_equal(data.next_observations[whole], back.next_observations[whole])
    else:
        assert differing(data, back) == [] and back.spec == data.spec and list(made.notes) == []


def test_nothing_is_overwritten(tmp_path, data, kind):
    out = tmp_path / "out" / OUT[kind]
    out.mkdir(parents=True)
    with pytest.raises(ExchangeError, match="exists and is not overwritten"):
        export(data, kind, out)
    assert list(out.parent.iterdir()) == [out] and list(out.iterdir()) == []


def test_what_does_not_fit_on_the_disk_is_not_begun(small_disk, data, kind):
    disk, _ = small_disk
    with pytest.raises(ExchangeError, match=r"needs up to 1\.\d MB, 0\.5 MB are free"):
        export(data, kind, disk / OUT[kind])
    assert list(disk.iterdir()) == []


@pytest.mark.parametrize("kind", ["d4rl", "minari"])
def test_a_killed_export_has_its_name_only_when_whole(tmp_path, recorded, kind, in_child, kill_at):
    out, deaths = tmp_path / "out" / OUT[kind], 0

    def die():
        kill_at(deaths + 1)
        export(recorded, kind, out)

    while in_child(die) and not out.exists():
        deaths += 1
    assert deaths > 2 and [one.name for one in out.parent.iterdir()] == [out.name]
    assert import_file(out, tmp_path / "back").rows == len(recorded)


def test_a_plain_d4rl_loader_reads_a_session_file(recorded):
    """The loop of D4RL's `get_dataset`: every dataset by name, then its own checks of shapes."""
    loaded = {}

    def take(name, item):
        if isinstance(item, h5py.Dataset):
            loaded[name] = item[()]

    with h5py.File(recorded.sessions[0].path, "r") as file:
        file.visititems(take)
    rows = len(recorded)
    for key in ("observations", "actions", "rewards", "terminals"):
        assert key in loaded
    assert loaded["observations"].shape == (rows, recorded.spec.observation.size)
    assert loaded["rewards"].shape == (rows,) and loaded["terminals"].shape == (rows,)
    assert loaded["actions"].shape == (rows, recorded.spec.action.size)


def test_a_session_file_of_ours_is_a_d4rl_file(tmp_path, recorded):
    made = import_file(recorded.sessions[0].path, tmp_path / "back")
    back = load_dataset(tmp_path / "back")
    assert made.kind == "d4rl" and differing(recorded, back, ("observations", "actions", "rewards")) == []
    assert back.spec.observation.names == recorded.spec.observation.names and back.spec.rate_hz == recorded.spec.rate_hz


def test_d4rl_keeps_the_raw_state(tmp_path, recorded):
    export(recorded, "d4rl", tmp_path / "x.hdf5")
    with h5py.File(tmp_path / "x.hdf5", "r") as file:
        for name in ("joint_position", "goal", "stamp_ns", "intervention", "command"):
            assert np.array_equal(file[f"infos/{name}"], getattr(recorded, name))


def test_minari_opens_what_we_write(tmp_path, data, monkeypatch):
    minari = pytest.importorskip("minari", reason="minari is not installed (pip install '.[dev]')")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    export(data, "minari", tmp_path / "minari" / "walk" / "x-v3")
    found = minari.load_dataset("walk/x-v3")
    assert found.id == "walk/x-v3" and (found.total_episodes, found.total_steps) == (3, 6)
    first, second, third = found.iterate_episodes()
    assert first.observations[:, 0].tolist() == [0, 1, 2, 3] and second.observations[:, 0].tolist() == [20, 21, 22]
    assert [len(one.actions) for one in (first, second, third)] == [3, 2, 1]
    assert first.terminations.tolist() == [False, False, True] and not first.truncations.any()
    assert second.truncations.tolist() == [False, True] and third.truncations.tolist() == [True]
    assert all(found.observation_space.contains(one) for one in first.observations)
    assert all(found.action_space.contains(one) for one in first.actions)


@pytest.mark.filterwarnings("ignore::UserWarning")  # minari asks for an author
def test_we_open_what_minari_writes(tmp_path, monkeypatch):
    minari = pytest.importorskip("minari", reason="minari is not installed (pip install '.[dev]')")
    gymnasium = pytest.importorskip("gymnasium")
    from minari.data_collector import EpisodeBuffer

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    spaces = gymnasium.spaces
    pair = spaces.Dict({"speed": spaces.Box(-9, 9, (1,)), "place": spaces.Box(-9, 9, (2,))})
    episode = EpisodeBuffer(
        observations={"speed": np.array([[7.0], [8], [9]]), "place": np.array([[1.0, 2], [3, 4], [5, 6]])},
        actions=np.array([6, 5]),
        rewards=[0.5, 1.0],
        terminations=[False, False],
        truncations=[False, True],
    )
    minari.create_dataset_from_buffers(
        "walk-v0", [episode], observation_space=pair, action_space=spaces.Discrete(3, start=5)
    )
    made = import_file(tmp_path / "minari" / "walk-v0", tmp_path / "back")
    back = load_dataset(tmp_path / "back")
    assert made.kind == "minari" and back.spec.robot == "walk-v0"
    assert back.observations.tolist() == [[1, 2, 7], [3, 4, 8]] and back.next_observations[-1].tolist() == [5, 6, 9]
    assert back.spec.observation.names == ("place_0", "place_1", "speed_0")
    assert (
        back.actions.tolist() == [1, 0]
        and back.rewards.tolist() == [0.5, 1]
        and back.timeouts.tolist() == [False, True]
    )


def test_minari_wants_a_version_in_the_name(tmp_path, data):
    with pytest.raises(ExchangeError, match="such as walk-v0, not walk"):
        export(data, "minari", tmp_path / "walk")
    assert not (tmp_path / "walk").exists()


def test_d3rlpy_opens_what_we_write(tmp_path, data):
    dataset = pytest.importorskip("d3rlpy", reason="d3rlpy is not installed (it pins an older Gymnasium)").dataset
    export(data, "d3rlpy", tmp_path / "x.h5")
    with (tmp_path / "x.h5").open("rb") as file:
        buffer = dataset.ReplayBuffer.load(file, dataset.InfiniteBuffer())
    assert buffer.transition_count == 6 and [one.terminated for one in buffer.episodes] == [True, False, False]


def test_lerobot_opens_what_we_write(tmp_path, data):
    lerobot = pytest.importorskip("lerobot.datasets.lerobot_dataset", reason="lerobot is not installed")
    export(data, "lerobot", tmp_path / "x")
    found = lerobot.LeRobotDataset("walk/x", root=tmp_path / "x")
    assert (len(found), found.num_episodes) == (6, 3) and float(found[2]["next.reward"]) == 2
    assert found[5]["observation.state"].tolist() == [40, 0]


def test_robomimic_opens_what_we_write(tmp_path, data):
    pytest.importorskip("robomimic", reason="robomimic is not installed")
    from robomimic.utils import obs_utils
    from robomimic.utils.dataset import SequenceDataset

    obs_utils.initialize_obs_utils_with_obs_specs({"obs": {"low_dim": ["flat"]}})
    export(data, "robomimic", tmp_path / "x.hdf5")
    found = SequenceDataset(
        str(tmp_path / "x.hdf5"), obs_keys=["flat"], dataset_keys=["actions", "dones"], load_next_obs=True
    )
    assert (len(found), found.n_demos) == (6, 3) and found[2]["dones"].tolist() == [1]
    assert found[5]["next_obs"]["flat"].tolist() == [[41, 1]]


def test_lerobot_without_its_extra_features_loses_the_last_frame_of_a_timed_out_episode(tmp_path):
    """As LeRobot itself records: `next.done` alone, and no next observation."""
    pa = pytest.importorskip("pyarrow", reason="LeRobot's files are Parquet: pip install '.[lerobot]'")
    from pyarrow import parquet

    (tmp_path / "x" / "meta").mkdir(parents=True)
    (tmp_path / "x" / "data" / "chunk-000").mkdir(parents=True)
    names = {"observation.state": {"motors": ["a", "b"]}, "action": ["u", "v"], "next.reward": None, "next.done": None}
    info = {"codebase_version": "v3.0", "fps": 30, "robot_type": "so101"}
    info["features"] = {key: {"dtype": "float32", "shape": [1], "names": value} for key, value in names.items()}
    (tmp_path / "x" / "meta" / "info.json").write_text(json.dumps(info))
    table = {
        "observation.state": [[0.0, 1], [2, 3], [4, 5], [6, 7]],
        "action": [[0.0, 0.5]] * 4,
        "next.reward": [1.0, 2, 3, 4],
        "next.done": [False, True, False, False],
        "episode_index": [0, 0, 1, 1],
        "frame_index": [0, 1, 0, 1],
    }
    parquet.write_table(pa.table(table), tmp_path / "x" / "data" / "chunk-000" / "file-000.parquet")
    import_file(tmp_path / "x", tmp_path / "back")
    back = load_dataset(tmp_path / "back")
    assert back.rewards.tolist() == [1, 2, 3] and back.next_observations.tolist() == [[2, 3], [2, 3], [6, 7]]
    assert back.terminals.tolist() == [False, True, False] and back.timeouts.tolist() == [False, False, True]
    assert (back.spec.robot, back.spec.rate_hz, back.spec.observation.names) == ("so101", 30, ("a", "b"))


def test_robomimic_puts_observations_side_by_side_and_leaves_images_out(tmp_path):
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        for number, done in ((10, 0), (2, 1)):  # the order is that of the numbers
            demo = file.create_group(f"data/demo_{number}")
            demo["obs/eef"], demo["obs/arm"] = np.full((3, 1), number), np.full((3, 2), -number)
            demo["obs/agentview_image"] = np.zeros((3, 8, 8, 3), np.uint8)
            demo["actions"], demo["rewards"] = np.zeros((3, 2)), np.arange(3.0)
            demo["dones"] = np.array([0, 0, done])
        file["data"].attrs["env_args"] = json.dumps({"env_name": "Lift", "env_kwargs": {"control_freq": 20}})
    import_file(tmp_path / "x.hdf5", tmp_path / "back")
    back = load_dataset(tmp_path / "back")
    assert back.observations.tolist() == [[-2, -2, 2]] * 3 + [[-10, -10, 10]] * 2
    assert back.terminals.tolist() == [False, False, True, False, False]
    assert (back.spec.robot, back.spec.observation.names) == ("Lift", ("arm_0", "arm_1", "eef_0"))


def test_the_commands_say_what_was_done(tmp_path, recorded):
    sessions, out = recorded.sessions[0].path.parent, tmp_path / "x.hdf5"
    done = CliRunner().invoke(app, ["data", "export", str(sessions), "--to", "d4rl", "--out", str(out)])
    assert done.exit_code == 0 and done.stdout.startswith("d4rl: 60 transitions, 3 episodes: ")
    done = CliRunner().invoke(app, ["data", "import", str(out), "--out", str(tmp_path / "back")])
    assert done.exit_code == 0 and done.stdout.startswith("d4rl: 60 transitions, episodes: 1 terminal, 2 timed out: ")
    done = CliRunner().invoke(app, ["data", "import", str(out), "--out", str(tmp_path / "b"), "--from", "minari"])
    assert done.exit_code == 2 and "Traceback" not in done.output and not (tmp_path / "b").exists()
