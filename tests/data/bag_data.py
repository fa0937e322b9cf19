"""Small recordings of a planar arm of two joints, each message given by hand."""

import numpy as np
from rosbags.rosbag2 import CompressionFormat, StoragePlugin, Writer

from turn_rl_ros.core.task import make_spec
from turn_rl_ros.data.bags.convert import import_bags
from turn_rl_ros.data.bags.decode import JOINT_STATE, NUMBERS, STORE, TRAJECTORY, TWIST
from turn_rl_ros.data.bags.mapping import Commands, Episodes, Goals, Mapping, States
from turn_rl_ros.data.sealed import read_info, read_rows

PERIOD_NS = 100_000_000
BEGAN_NS = 1_700_000_000_000_000_000
POSE, TEXT = "geometry_msgs/msg/PoseStamped", "std_msgs/msg/String"
URDF = """<robot name="planar"><link name="base"/><link name="upper"/><link name="lower"/><link name="tip"/>
<joint name="a" type="revolute"><parent link="base"/><child link="upper"/><axis xyz="0 0 1"/>
<limit lower="-3" upper="3" velocity="2"/></joint>
<joint name="b" type="revolute"><parent link="upper"/><child link="lower"/><origin xyz="1 0 0"/><axis xyz="0 0 1"/>
<limit lower="-3" upper="3" velocity="2"/></joint>
<joint name="end" type="fixed"><parent link="lower"/><child link="tip"/><origin xyz="1 0 0"/></joint></robot>"""


def planar_spec(folder, **changes):
    """Reach at 10 Hz with two links of 1 m."""
    (folder / "planar.urdf").write_text(URDF)
    values = {"urdf": str(folder / "planar.urdf"), "tip_link": "tip", "joint_names": ("a", "b"), "home": (0.0, 0.0)}
    return make_spec({**values, "rate_hz": 10.0, "episode_steps": 100, "max_joint_velocity": 2.0, **changes})


def at(tick):
    """A time in ns; ticks are control periods of 0.1 s and may be fractions."""
    return BEGAN_NS + round(tick * PERIOD_NS)


def header(stamp_ns):
    stamp = STORE.types["builtin_interfaces/msg/Time"](*divmod(stamp_ns, 1_000_000_000))
    return STORE.types["std_msgs/msg/Header"](stamp, "")


def state(tick, position, velocity=(0.0, 0.0), names=("a", "b"), stamp=None, topic="/joint_states"):
    values = [np.array(one, dtype=np.float64) for one in (position, velocity, ())]
    stamp_ns = at(tick) if stamp is None else stamp
    return at(tick), topic, STORE.types[JOINT_STATE](header(stamp_ns), list(names), *values)


def numbers(tick, values, topic="/commands"):
    layout = STORE.types["std_msgs/msg/MultiArrayLayout"]([], 0)
    return at(tick), topic, STORE.types[NUMBERS](layout, np.array(values, dtype=np.float64))


def trajectory(tick, *points):
    names = ["a", "b"]
    none, zero = np.zeros(0), STORE.types["builtin_interfaces/msg/Duration"](0, PERIOD_NS)
    kind = STORE.types["trajectory_msgs/msg/JointTrajectoryPoint"]
    made = [kind(np.array(point, dtype=np.float64), none, none, none, zero) for point in points]
    return at(tick), "/commands", STORE.types[TRAJECTORY](header(at(tick)), names, made)


def twist(tick, x, y):
    vector = STORE.types["geometry_msgs/msg/Vector3"]
    moved = STORE.types["geometry_msgs/msg/Twist"](vector(x, y, 0.0), vector(0.0, 0.0, 0.0))
    return at(tick), "/commands", STORE.types[TWIST](header(at(tick)), moved)


def goal(tick, x, y):
    types = STORE.types
    place, turn = types["geometry_msgs/msg/Point"](x, y, 0.0), types["geometry_msgs/msg/Quaternion"](0.0, 0.0, 0.0, 1.0)
    return at(tick), "/goal", types[POSE](header(at(tick)), types["geometry_msgs/msg/Pose"](place, turn))


def text(tick, topic="/episode"):
    return at(tick), topic, STORE.types[TEXT]("go")


def write(path, messages, plugin=StoragePlugin.SQLITE3, compress=None):
    """A bag of (receive time, topic, message)."""
    writer = Writer(path, version=9, storage_plugin=plugin)
    if compress:
        writer.set_compression(compress, CompressionFormat.ZSTD)
    with writer:
        connections = {}
        for when, topic, message in messages:
            kind = message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=STORE)
            writer.write(connections[topic], when, STORE.serialize_cdr(message, kind))
    return path


def convert(folder, messages, spec=None, **sections):
    """Rows of an import, and what was said about it."""
    bag = write(folder / "bag", messages)
    (made,) = import_bags([bag], folder / "sessions", spec or planar_spec(folder), Mapping(**sections))
    return np.concatenate([read_rows(read_info(path)) for path in made.sessions]), made.notes


COMMANDED = Commands(topic="/commands")
__all__ = ["COMMANDED", "Commands", "Episodes", "Goals", "Mapping", "States"]
