"""The control loop's messages, read and written as bytes: rclpy's own conversion is a third of what a tick costs."""

from array import array
from functools import lru_cache

from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray, MultiArrayDimension, MultiArrayLayout

from turn_rl_ros.core import cdr
from turn_rl_ros.core.cdr import JointNumbers, Numbers

__all__ = ["JointNumbers", "JointStateDecoder", "Numbers", "NumbersDecoder", "encode_numbers"]


class JointStateDecoder(cdr.JointStateDecoder):
    """Bytes to JointNumbers, one decoder a subscription; raises RCLError for bytes that are no JointState."""

    def __init__(self) -> None:
        super().__init__(lambda raw: deserialize_message(raw, JointState))


class NumbersDecoder(cdr.NumbersDecoder):
    """Bytes to Numbers, one decoder a subscription; raises RCLError for bytes that are no Float64MultiArray."""

    def __init__(self) -> None:
        super().__init__(lambda raw: deserialize_message(raw, Float64MultiArray))


def encode_numbers(label: str, values: array) -> bytes:
    """A serialized Float64MultiArray whose layout has one dimension of this ASCII label; publishers take it as is."""
    head, tail = _around(len(label), len(values))
    return b"".join((head, label.encode(), tail, values.tobytes()))


@lru_cache
def _around(label_size: int, count: int) -> tuple[bytes, bytes]:
    """What stands before the label, and between it and the numbers."""
    label, zeros = "?" * label_size, array("d", bytes(8 * count))
    layout = MultiArrayLayout(dim=[MultiArrayDimension(label=label)])
    raw = serialize_message(Float64MultiArray(layout=layout, data=zeros))
    head, _, tail = raw.partition(label.encode())
    return head, tail[: len(tail) - 8 * count]
