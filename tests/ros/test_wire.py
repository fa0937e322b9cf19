import time
from array import array

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray, MultiArrayDimension, MultiArrayLayout

from turn_rl_ros.nodes import topics
from turn_rl_ros.nodes.spin import make_executor
from turn_rl_ros.nodes.wire import JointStateDecoder, NumbersDecoder, encode_numbers

NUMBERS = st.lists(st.floats(width=64), max_size=9)
NAMES = st.lists(st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=9), max_size=8)


def same(ours, theirs):
    assert (ours.header.stamp.sec, ours.header.stamp.nanosec) == (theirs.header.stamp.sec, theirs.header.stamp.nanosec)
    assert ours.header.frame_id == theirs.header.frame_id
    assert list(ours.name) == list(theirs.name)
    for name in ("position", "velocity", "effort"):
        assert np.array(getattr(ours, name)).tobytes() == array("d", getattr(theirs, name)).tobytes(), name


def joint_state(names, position, velocity, effort, frame="", sec=0, nanosec=0):
    message = JointState(name=names, position=position, velocity=velocity, effort=effort)
    message.header.frame_id, message.header.stamp.sec, message.header.stamp.nanosec = frame, sec, nanosec
    return message


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(NAMES, NUMBERS, NUMBERS, NUMBERS, st.text("abé", max_size=6)), min_size=1, max_size=3), st.data()
)
def test_joint_states_are_read_as_rclpy_reads_them_whoever_sent_them(layouts, data):
    """One decoder, several senders in turn, each with numbers that change."""
    decode = JointStateDecoder()
    for _ in range(8):
        names, *lists, frame = data.draw(st.sampled_from(layouts))
        lists = [[data.draw(st.floats(width=64)) for _ in values] for values in lists]
        sec, nanosec = data.draw(st.integers(-(2**31), 2**31 - 1)), data.draw(st.integers(0, 2**32 - 1))
        raw = serialize_message(joint_state(names, *lists, frame, sec, nanosec))
        same(decode(raw), deserialize_message(raw, JointState))


def test_the_second_message_of_a_sender_is_read_in_place():
    decode = JointStateDecoder()
    raws = [serialize_message(joint_state(["a", "b"], [float(i), 2.0], [3.0, 4.0], [])) for i in range(2)]
    assert decode(raws[0]).position.flags.writeable, "a copy that rclpy made"
    assert not decode(raws[1]).position.flags.writeable, "a view of the bytes"
    np.testing.assert_array_equal(decode(raws[1]).position, [1.0, 2.0])


def test_lists_of_other_lengths_but_the_same_size_are_told_apart():
    """7 velocities and no effort take as many bytes as no velocity and 7 efforts."""
    decode, seven = JointStateDecoder(), [float(i) for i in range(7)]
    for velocity, effort in ((seven, []), ([], seven), (seven, [])):
        raw = serialize_message(joint_state(["a"], [1.0], velocity, effort))
        same(decode(raw), deserialize_message(raw, JointState))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.text("label,:", max_size=9), st.integers(0, 9)), min_size=1, max_size=3), st.data())
def test_number_arrays_are_read_as_rclpy_reads_them(layouts, data):
    decode = NumbersDecoder()
    for _ in range(8):
        label, count = data.draw(st.sampled_from(layouts))
        values = [data.draw(st.floats(width=64)) for _ in range(count)]
        layout = MultiArrayLayout(dim=[MultiArrayDimension(label=label, size=count)])
        found = decode(serialize_message(Float64MultiArray(layout=layout, data=values)))
        assert found.data.tobytes() == array("d", values).tobytes()
        assert found.layout.dim[0].label == label


@given(st.text("stamp_ns:0123456789", min_size=1, max_size=40), NUMBERS)
def test_what_is_written_is_what_rclpy_reads(label, values):
    raw = encode_numbers(label, array("d", values))
    found = deserialize_message(raw, Float64MultiArray)
    assert found.data.tobytes() == array("d", values).tobytes()
    assert found.layout == MultiArrayLayout(dim=[MultiArrayDimension(label=label)])
    assert len(raw) == len(serialize_message(found))


@pytest.mark.parametrize("cut", [0, 3, 5, 20, 60])
def test_bytes_that_are_no_message_raise_and_the_next_message_is_read(cut):
    decode = JointStateDecoder()
    raw = serialize_message(joint_state(["a", "b"], [1.0, 2.0], [3.0, 4.0], []))
    decode(raw)
    with pytest.raises(Exception, match=r"."):
        decode(raw[:cut])
    np.testing.assert_array_equal(decode(raw).velocity, [3.0, 4.0])


def test_a_node_survives_bytes_that_are_no_message(ros):
    node, heard = ros.create_node("listener"), []
    topics.listen_to(node, topics.PROPOSED, lambda message: heard.append(message.data.tolist()))
    sender = topics.publish_on(node, topics.PROPOSED)
    spinner = make_executor()
    spinner.add_node(node)
    deadline = time.monotonic() + 10
    sender.publish(b"\x00\x01\x00\x00" + b"\xff" * 9)
    sender.publish(encode_numbers("x", array("d", [1.0, 2.0])))
    while not heard and time.monotonic() < deadline:
        spinner.spin_once(timeout_sec=0.05)
    assert heard == [[1.0, 2.0]]
    spinner.shutdown()
    node.destroy_node()
