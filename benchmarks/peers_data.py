"""What other people's recorders and loaders do with the same rows; runs in an environment of its own.

Prints one JSON object: rates in rows/s, and GB/s for loading. Knows nothing of this package.
"""

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

OBSERVATION, ACTION, JOINTS, EPISODE = 20, 7, 7, 200


def minari_rates(rows: int) -> dict[str, float]:
    """Rows/s of `minari.DataCollector` on an environment that does nothing, and GB/s of reading all episodes back."""
    import gymnasium
    import minari

    class Still(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(-1, 1, (OBSERVATION,), np.float32)
        action_space = gymnasium.spaces.Box(-1, 1, (ACTION,), np.float32)
        count = 0

        def reset(self, **_: Any) -> tuple[Any, dict]:
            self.count = 0
            return np.zeros(OBSERVATION, np.float32), {}

        def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
            self.count += 1
            return np.zeros(OBSERVATION, np.float32), 0.0, False, self.count == EPISODE, {}

    def walk(env: gymnasium.Env) -> float:
        action = np.zeros(ACTION, np.float32)
        start = time.perf_counter()
        env.reset()
        for _ in range(rows):
            if env.step(action)[3]:
                env.reset()
        return time.perf_counter() - start

    bare = walk(Still())
    collector = minari.DataCollector(Still())
    collected = walk(collector)
    dataset = collector.create_dataset(
        dataset_id="bench/still-v0", algorithm_name="none", author="x", author_email="x@x.x"
    )
    start = time.perf_counter()
    size = 0
    for episode in dataset.iterate_episodes():
        size += sum(
            np.asarray(getattr(episode, name)).nbytes
            for name in ("observations", "actions", "rewards", "terminations", "truncations")
        )
    return {
        "minari_write": rows / (collected - bare),
        "minari_load": size / (time.perf_counter() - start) / 1e9,
    }


def rosbags_rate(rows: int, folder: Path) -> dict[str, float]:
    """Rows/s of the rosbags writer for what a row holds: joint state, command, next joint state, all serialised."""
    from rosbags.rosbag2 import Writer
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    types = store.types
    state_type, array_type = "sensor_msgs/msg/JointState", "std_msgs/msg/Float64MultiArray"
    stamp = types["builtin_interfaces/msg/Time"](sec=0, nanosec=0)
    header = types["std_msgs/msg/Header"](stamp=stamp, frame_id="")
    joints = np.zeros(JOINTS)
    state = types[state_type](
        header=header, name=[f"j{i}" for i in range(JOINTS)], position=joints, velocity=joints, effort=joints
    )
    layout = types["std_msgs/msg/MultiArrayLayout"](dim=[], data_offset=0)
    command = types[array_type](layout=layout, data=joints)
    with Writer(folder / "bag", version=9) as writer:
        channels = [
            writer.add_connection(f"/t{i}", name, typestore=store)
            for i, name in enumerate((state_type, array_type, state_type))
        ]
        start = time.perf_counter()
        for row in range(rows):
            for channel, message in zip(channels, (state, command, state), strict=True):
                writer.write(channel, row, store.serialize_cdr(message, channel.msgtype))
    return {"rosbags_write": rows / (time.perf_counter() - start)}


def d3rlpy_rate(rows: int, folder: Path) -> dict[str, float]:
    """GB/s in which d3rlpy reads a replay buffer back that it wrote itself."""
    import d3rlpy

    episodes = [
        d3rlpy.dataset.Episode(
            np.zeros((EPISODE, OBSERVATION), np.float32),
            np.zeros((EPISODE, ACTION), np.float32),
            np.zeros((EPISODE, 1), np.float32),
            terminated=False,
        )
        for _ in range(rows // EPISODE)
    ]
    path, infinite = folder / "buffer.h5", d3rlpy.dataset.InfiniteBuffer
    with path.open("w+b") as file:
        d3rlpy.dataset.ReplayBuffer(infinite(), episodes=episodes).dump(file)
    start = time.perf_counter()
    with path.open("rb") as file:
        buffer = d3rlpy.dataset.ReplayBuffer.load(file, infinite())
    taken = time.perf_counter() - start
    size = sum(one.observations.nbytes + one.actions.nbytes + one.rewards.nbytes for one in buffer.episodes)
    return {"d3rlpy_load": size / taken / 1e9}


def main() -> None:
    """Measure what is installed; a peer that fails says why."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, measure in (
            ("minari", lambda: minari_rates(20_000)),
            ("rosbags", lambda: rosbags_rate(20_000, Path(folder))),
            ("d3rlpy", lambda: d3rlpy_rate(100_000, Path(folder))),
        ):
            try:
                found.update(measure())
            except Exception as error:
                found[name] = f"{type(error).__name__}: {error}".splitlines()[0]
    print(json.dumps(found))  # the last line; d3rlpy logs to the same stream


if __name__ == "__main__":
    main()
