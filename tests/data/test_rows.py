from dataclasses import replace

import numpy as np
import pytest

from turn_rl_ros.core.spec import Discrete
from turn_rl_ros.data.errors import SessionError
from turn_rl_ros.data.rows import RowPacker
from turn_rl_ros.data.schema import row_dtype


@pytest.fixture
def pack(spec):
    return RowPacker(row_dtype(spec))


def unpack(pack, transition):
    return np.frombuffer(pack(transition), pack.dtype)[0]


def test_bytes_are_those_of_a_record_filled_field_by_field(pack, spec, sender):
    for number in (0, 24, 1234):
        record = np.zeros(1, pack.dtype)
        sender.fill(record, sender.transition(number, spec))
        assert pack(sender.transition(number, spec)) == record.tobytes()


def test_other_types_are_converted_not_reinterpreted(pack, spec, sender):
    row = sender.transition(3, spec)
    wide = replace(row, observation=np.array([0.1, 2.0]), goal=[1, 2, 3], joint_position=np.array([5, 6], np.int64))
    record = unpack(pack, wide)
    assert record["observations"].tolist() == [np.float32(0.1), 2.0]
    assert record["goal"].tolist() == [1.0, 2.0, 3.0] and record["joint_position"].tolist() == [5.0, 6.0]


def test_a_slice_of_a_larger_array_is_packed_in_order(pack, spec, sender):
    table = np.arange(12, dtype=np.float64).reshape(6, 2).T
    record = unpack(pack, replace(sender.transition(0, spec), joint_velocity=table[:, 1]))
    assert record["joint_velocity"].tolist() == [2.0, 3.0]


def test_discrete_actions_are_integers(spec, sender):
    pack = RowPacker(row_dtype(replace(spec, action=Discrete(("stay", "up")))))
    for action in (1, np.int64(1), np.array(1)):
        assert unpack(pack, replace(sender.transition(0, spec), action=action))["actions"] == 1


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("observation", np.zeros(3, np.float32), r"observation has shape \(3,\) .* needs \(2,\)"),
        ("goal", np.zeros((3, 1)), None),  # same bytes, same meaning
        ("action", np.array(["a", "b"]), "action of a transition"),
        ("reward", "much", "rewards, .* of a transition"),
        ("stamp_ns", 1.5, "stamp_ns, .* of a transition"),
        ("step", 2**70, "step, .* of a transition"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(pack, spec, sender, field, value, words):
    row = replace(sender.transition(0, spec), **{field: value})
    if words is None:
        assert pack(row) == pack(replace(row, goal=np.zeros(3)))
        return
    with pytest.raises(SessionError, match=words):
        pack(row)
