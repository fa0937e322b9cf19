"""Bags of a six-joint arm at 125 Hz; what importing or merely deserialising one costs, in a process of its own."""

import json
import os
import resource
import sys
import time
from pathlib import Path

import numpy as np
from rosbags.rosbag2 import Reader, StoragePlugin, Writer

from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.task import make_spec
from turn_rl_ros.data.bags.convert import import_bags
from turn_rl_ros.data.bags.decode import JOINT_STATE, NUMBERS, STORE
from turn_rl_ros.data.bags.mapping import Commands, Mapping, States

RATE_HZ = 125.0
JOINTS = tuple(f"joint_{n}" for n in range(1, 7))
STATES, COMMANDS = "/joint_states", "/forward_velocity_controller/commands"
MAPPING = Mapping(0.0, States(STATES), Commands(COMMANDS, "velocity"))
BEGAN_NS = 1_700_000_000_000_000_000


def arm_spec(folder: Path) -> TaskSpec:
    """Reach with an arm of six revolute joints; its URDF is written into `folder`."""
    urdf = folder / "arm.urdf"
    links = "".join(f'<link name="link_{n}"/>' for n in range(7))
    joints = "".join(
        f'<joint name="{name}" type="revolute"><parent link="link_{n}"/><child link="link_{n + 1}"/>'
        f'<origin xyz="0.2 0 0.1" rpy="0 0.3 0"/><axis xyz="0 {n % 2} {1 - n % 2}"/>'
        '<limit lower="-3" upper="3" velocity="2" effort="9"/></joint>'
        for n, name in enumerate(JOINTS)
    )
    urdf.write_text(f'<robot name="six">{links}{joints}</robot>')
    return make_spec(
        {"urdf": str(urdf), "tip_link": "link_6", "joint_names": JOINTS, "home": (0.0,) * 6, "rate_hz": RATE_HZ,
         "episode_steps": 250}
    )  # fmt: skip


def write_bag(path: Path, seconds: float, plugin: StoragePlugin) -> None:
    """States of a smooth motion, and the commands that cause it."""
    types = STORE.types
    header, stamp = types["std_msgs/msg/Header"], types["builtin_interfaces/msg/Time"]
    layout = types["std_msgs/msg/MultiArrayLayout"]([], 0)
    phase = np.arange(6.0)
    with Writer(path, version=9, storage_plugin=plugin) as writer:
        states = writer.add_connection(STATES, JOINT_STATE, typestore=STORE)
        commands = writer.add_connection(COMMANDS, NUMBERS, typestore=STORE)
        for tick in range(round(seconds * RATE_HZ)):
            when, at = BEGAN_NS + round(tick / RATE_HZ * 1e9), tick / RATE_HZ + phase
            sec, nanosec = divmod(when, 1_000_000_000)
            state = types[JOINT_STATE](
                header(stamp(sec, nanosec), ""), list(JOINTS), 0.5 * np.sin(at), 0.5 * np.cos(at), np.zeros(6)
            )
            command = types[NUMBERS](layout, 0.5 * np.cos(at))
            writer.write(states, when, STORE.serialize_cdr(state, JOINT_STATE))
            writer.write(commands, when + 1_000_000, STORE.serialize_cdr(command, NUMBERS))


def deserialise(path: Path) -> int:
    """What rosbags alone does; gives the number of messages."""
    count = 0
    with Reader(path) as reader:
        for connection, _, raw in reader.messages():
            STORE.deserialize_cdr(raw, connection.msgtype)
            count += 1
    return count


def main() -> None:
    """Measure `import` or `deserialise` of a bag on one core: {"seconds", "rows", "peak_mb"}."""
    what, bag, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    spec = arm_spec(folder)
    began = time.perf_counter()
    if what == "import":
        rows = sum(one.rows for one in import_bags([bag], folder / f"out-{time.time_ns()}", spec, MAPPING))
    else:
        rows = deserialise(bag)
    seconds = time.perf_counter() - began
    print(
        json.dumps(
            {"seconds": seconds, "rows": rows, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
        )
    )


if __name__ == "__main__":
    main()
