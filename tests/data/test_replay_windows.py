"""A recorded session as moments: what an assembler makes of them, and what cannot be replayed."""

import numpy as np
import pytest

from tests.data import quality_data
from turn_rl_ros.core.assembler import Assembler
from turn_rl_ros.core.behaviour import make_behaviour
from turn_rl_ros.core.door import make_env
from turn_rl_ros.core.errors import SpecMismatch
from turn_rl_ros.core.exploration import BehaviourConfig
from turn_rl_ros.core.rollout import run_session
from turn_rl_ros.core.task import make_spec
from turn_rl_ros.data.errors import DatasetError
from turn_rl_ros.data.manifest import sealed_files
from turn_rl_ros.data.relabel import Change, relabel_sessions
from turn_rl_ros.data.replay import skip, windows
from turn_rl_ros.data.rows import RowPacker
from turn_rl_ros.data.schema import row_dtype
from turn_rl_ros.data.sealed import read_info, read_rows
from turn_rl_ros.data.session import SessionWriter

SPEC = make_spec({"kind": "gridworld", "episode_steps": 30})


def grid_session(directory, lost=(), steps=300, session_id="00000001"):
    """A session in process; rows of the numbers in `lost` never came to the disk."""
    env = make_env(SPEC)
    behaviour = make_behaviour(env.task, BehaviourConfig(), None, np.random.default_rng(0))
    writer = SessionWriter(directory, SPEC, session_id=session_id)
    for number, row in enumerate(run_session(env, behaviour, steps)):
        if number not in lost:
            writer.append(row)
    return writer.seal("window over", {"window_used_s": steps * SPEC.period_s})


def heard(window, spec):
    """The rows that a collector would make of a window, as they would be sealed."""
    assembler, rows = Assembler(spec), []
    for moment in window.moments():
        rows += assembler.state(moment.position, moment.velocity, moment.stamp_ns)
        rows += assembler.executed(moment.decision)
    assert not assembler.dropped
    return RowPacker(row_dtype(spec)).table(rows + assembler.finish())


def same(rows, others):
    assert len(rows) == len(others)
    for column in rows.dtype.names:
        np.testing.assert_array_equal(rows[column], others[column], err_msg=column)


def test_a_session_with_holes_is_assembled_again_bit_for_bit(tmp_path):
    path = grid_session(tmp_path, lost=(7, 8, 100, 150))
    (window,) = windows(path, SPEC)
    rows = read_rows(read_info(path))
    assert np.count_nonzero(np.diff(rows["step"]) != 1) > 10
    same(heard(window, SPEC), rows)


def test_a_directory_is_one_window_a_session_in_order(tmp_path):
    for name in ("00000001", "00000002"):
        grid_session(tmp_path / "run" / "sessions", session_id=name, steps=40)
    names = [path.name for path in sealed_files(tmp_path / "run" / "sessions")]
    assert [window.name for window in windows(tmp_path / "run", SPEC)] == names and len(names) == 2


def test_skipping_goes_on_into_the_next_window(tmp_path):
    """The first window lasts 40 periods, or less its holds; 41 periods from its beginning lie in the second."""
    for name in ("00000001", "00000002"):
        grid_session(tmp_path, session_id=name, steps=40)
    first, second = windows(tmp_path, SPEC)
    beyond_ns = first.until_ns - first.first_ns + SPEC.period_ns
    (left,) = skip([first, second], beyond_ns / 1e9)
    assert left.name == second.name
    assert left.first_ns == second.first_ns + SPEC.period_ns
    assert left.facts["window_used_s"] == (left.until_ns - left.first_ns) / 1e9
    assert second.until(left.first_ns).until_ns == left.first_ns and second.until(second.first_ns) is None
    assert list(skip([first, second], 1e6)) == []


def test_another_task_is_refused(tmp_path):
    with pytest.raises(SpecMismatch, match="episode_steps"):
        list(windows(grid_session(tmp_path), make_spec({"kind": "gridworld", "episode_steps": 31})))


def test_copies_in_hindsight_are_refused(tmp_path):
    quality_data.arm_sessions(tmp_path / "recorded", quality_data.arm_rows(0)[: quality_data.STEPS])
    relabel_sessions(tmp_path / "recorded", tmp_path / "copies", Change(hindsight="future", copies=2))
    assert len(list(windows(tmp_path / "recorded", quality_data.arm_spec()))) == 1
    with pytest.raises(DatasetError, match="do not follow each other in time"):
        list(windows(tmp_path / "copies", quality_data.arm_spec()))


def test_two_states_at_one_instant_are_refused(tmp_path):
    """Each episode of this data begins where none ended."""
    quality_data.arm_sessions(tmp_path, quality_data.arm_rows(0, episodes=2))
    with pytest.raises(DatasetError, match="do not follow each other in time"):
        list(windows(tmp_path, quality_data.arm_spec()))


def test_a_bag_is_what_its_import_is(tmp_path):
    pytest.importorskip("rosbags", reason="rosbags is not installed (pip install 'turn_rl_ros[bags]')")
    from tests.data import bag_data
    from turn_rl_ros.data.bags.convert import import_bags
    from turn_rl_ros.data.bags.mapping import Mapping, mapping_text

    spec = bag_data.planar_spec(tmp_path)
    sent = [(bag_data.state(n, (0.01 * n, 0.0), (0.1, 0.0)), bag_data.numbers(n + 0.1, (0.1, 0.0))) for n in range(40)]
    bag_data.write(tmp_path / "bag", [bag_data.goal(-1, 1.0, 0.5), *(message for pair in sent for message in pair)])
    mapping = Mapping(commands=bag_data.COMMANDED, goal=bag_data.Goals("topic", "/goal"))
    (tmp_path / "mapping.yaml").write_text(mapping_text(mapping))
    (made,) = import_bags([tmp_path / "bag"], tmp_path / "sessions", spec, mapping)
    (window,) = windows(tmp_path / "bag", spec, str(tmp_path / "mapping.yaml"))
    same(heard(window, spec), read_rows(read_info(made.sessions[0])))
