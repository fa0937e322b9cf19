"""Delivery of a 1 MB policy: from the trainer's bytes to checked and ready in the executor, without costing it a tick.

The reference for the way is the bare transport: the same message to a node that only takes its sha256. Both run under
the Fast DDS profile that ships in config/, and under Fast DDS's defaults.
"""

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from benchmarks.control import Beat, in_a_domain_of_its_own, loop
from benchmarks.table import Row, report, row
from turn_rl_ros.core.artifact import pack
from turn_rl_ros.core.store import seal
from turn_rl_ros.core.task import make_spec

TASK = {"kind": "reach", "rate_hz": 100.0}
PROFILE = Path(__file__).parents[1] / "config" / "fastdds.xml"
NO_PROFILE = Path(__file__).with_name("fastdds_defaults.xml")
BARE = """
import hashlib, rclpy
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import String
from turn_rl_ros.nodes import topics
from turn_rl_ros.nodes.spin import Stop, make_executor, spin
stop = Stop()
rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
node = rclpy.create_node("bare")
out = topics.publish_on(node, topics.EXECUTOR_STATE)
topics.listen_to(node, topics.POLICY, lambda m: out.publish(String(data=hashlib.sha256(m.data).hexdigest())))
out.publish(String(data=""))
spinner = make_executor()
spinner.add_node(node)
spin(spinner, stop)
"""
LATE = """
import rclpy, time
from turn_rl_ros.nodes import topics
from turn_rl_ros.nodes.spin import make_executor, spin
rclpy.init()
node, heard = rclpy.create_node("late"), []
started = time.monotonic()
topics.listen_to(node, topics.POLICY, lambda m: heard.append(time.monotonic() - started))
spinner = make_executor()
spinner.add_node(node)
spin(spinner, lambda: bool(heard) or time.monotonic() - started > 20)
print(heard[0] if heard else 20.0)
"""


def megabyte(turn: int) -> bytes:
    """A sound artifact of 1 MB, another one for each turn."""
    spec = make_spec(TASK)
    rng = np.random.default_rng(turn)
    sizes = (spec.observation.size, 480, 480, spec.action.size)
    weights: dict[str, Any] = {"obs_mean": np.zeros(sizes[0]), "obs_std": np.ones(sizes[0])}
    for i in range(3):
        weights[f"w{i}"] = rng.normal(0, 0.3 / np.sqrt(sizes[i]), (1, sizes[i], sizes[i + 1]))
        weights[f"b{i}"] = np.zeros((1, 1, sizes[i + 1]))
    probes = rng.normal(size=(8, sizes[0])).astype(np.float32)
    return pack("tanh_mlp", weights, spec, probes, {"turn": turn, "algorithm": "benchmark"})


def building(blob: bytes) -> float:
    """Median time to build the message, us."""
    from turn_rl_ros.nodes import messages

    parcel, times = seal(blob), []
    for _ in range(200):
        started = time.perf_counter()
        messages.policy_to_message(parcel)
        times.append(1e6 * (time.perf_counter() - started))
    return statistics.median(times)


def way(kind: str, count: int) -> list[float]:
    """Publish to answer on executor/state, ms each, of `count` policies; `bare` or the executor itself."""
    import rclpy
    from rclpy.signals import SignalHandlerOptions

    from turn_rl_ros.nodes import messages, topics
    from turn_rl_ros.nodes.spin import make_executor

    parcels = [seal(megabyte(turn)) for turn in range(1, count + 1)]
    code = BARE if kind == "bare" else "from turn_rl_ros.nodes.executor import main; main()"
    ros_args = ["--ros-args", "-p", "task.kind:=reach", "-p", "task.rate_hz:=100.0", "--log-level", "error"]
    child = subprocess.Popen([sys.executable, "-c", code, *ros_args])
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node, heard = rclpy.create_node("sender"), []
    topics.listen_to(node, topics.EXECUTOR_STATE, lambda m: heard.append((time.perf_counter(), m.data)))
    sender = topics.publish_on(node, topics.POLICY)
    spinner = make_executor()
    spinner.add_node(node)

    def until(true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not true() and time.monotonic() < deadline:
            spinner.spin_once(timeout_sec=0.02)

    until(lambda: bool(heard) and sender.get_subscription_count() > 0)
    times = []
    for parcel in parcels:
        message = messages.policy_to_message(parcel)
        started = time.perf_counter()
        sender.publish(message)
        until(lambda: parcel.sha256 in heard[-1][1])  # noqa: B023
        times.append(1e3 * (heard[-1][0] - started))
        spinner.spin_once(timeout_sec=0.05)
    child.terminate()
    child.wait(20)
    rclpy.try_shutdown()
    return times[1:]  # the first one wakes everything up


def joining(count: int) -> list[float]:
    """Seconds until a node that starts late has the policy, each in a process of its own."""
    import rclpy
    from rclpy.signals import SignalHandlerOptions

    from turn_rl_ros.nodes import messages, topics

    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    sender = topics.publish_on(rclpy.create_node("sender"), topics.POLICY)
    sender.publish(messages.policy_to_message(seal(megabyte(1))))
    found = []
    for _ in range(count):
        done = subprocess.run([sys.executable, "-c", LATE], check=True, stdout=subprocess.PIPE, text=True)
        found.append(float(done.stdout.splitlines()[-1]))
    rclpy.try_shutdown()
    return found


def sending(count: int) -> int:
    """As a trainer in a process of its own: a policy every second."""
    import rclpy

    from turn_rl_ros.nodes import messages, topics

    parcels = [seal(megabyte(turn)) for turn in range(2, 2 + count)]
    rclpy.init()
    sender = topics.publish_on(rclpy.create_node("trainer"), topics.POLICY)
    while not sender.get_subscription_count():
        time.sleep(0.05)
    for parcel in parcels:
        sender.publish(messages.policy_to_message(parcel))
        time.sleep(1.0)
    rclpy.try_shutdown()
    return count


def in_the_loop(seconds: float) -> Beat:
    """The loop at 100 Hz while a new policy comes every second."""
    with loop("separate", 100.0) as (metronome, _, pids):
        command = [sys.executable, "-m", "benchmarks.bench_delivery", "--part", "sending", "--amount", str(seconds)]
        trainer = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        metronome.run(3.0, [])  # while it starts
        beat = metronome.run(seconds, pids)
        trainer.kill()
        trainer.wait()
        return beat


PARTS = ("bare", "executor", "joining", "sending", "loop")


def part(name: str, amount: float, profile: bool) -> Any:
    """Measure a part in a process and a domain of its own."""
    command = ["benchmarks.bench_delivery", "--part", name, "--amount", str(amount)]
    # `make` sets these; Fast DDS 2 reads the first, Fast DDS 3 the second.
    names = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
    return json.loads(in_a_domain_of_its_own(command, **dict.fromkeys(names, str(PROFILE if profile else NO_PROFILE))))


def main() -> None:
    """Measure everything, or (with --part) one part, printing it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=30, help="policies sent, and late joiners, of each kind")
    parser.add_argument("--seconds", type=float, default=60.0, help="of the loop with a delivery every second")
    parser.add_argument("--part", choices=PARTS, help="measure one part")
    parser.add_argument("--amount", type=float, default=5, help="how many, or how many seconds, with --part")
    options = parser.parse_args()
    if options.part:
        count = int(options.amount)
        works: dict[str, Callable[[], Any]] = {
            "loop": lambda: vars(in_the_loop(options.amount)),
            "joining": lambda: joining(count),
            "sending": lambda: sending(count),
        }
        print(json.dumps(works.get(options.part, lambda: way(options.part, count))()))
        return
    blob = megabyte(1)
    rows: list[Row] = []
    building_us = building(blob)
    what = f"build the message of {len(blob) / 1e6:.2f} MB"
    rows.append(row(what, building_us, "us", "goal", 30.0, 1.0, less_is_better=True))
    hashing = statistics.median(_timed(lambda: hashlib.sha256(blob)) for _ in range(50))
    rows.append(Row("of what comes: sha256 alone", round(hashing, 2), "ms", "-", None, None, None, True))
    ways: dict[tuple[str, bool], list[float]] = {(k, p): [] for p in (True, False) for k in ("bare", "executor")}
    for _ in track(range(3), description="ways"):
        for kind, profile in ways:
            ways[kind, profile] += part(kind, max(2, options.count // 3), profile)
    for profile, name in ((True, "config/fastdds.xml"), (False, "Fast DDS defaults")):
        ours, bare = (statistics.median(ways[kind, profile]) for kind in ("executor", "bare"))
        what = f"publish to ready, p50, {name}"
        rows.append(row(what, ours, "ms", "transport + sha256", bare, 1 / 1.5, less_is_better=True))
    late = part("joining", options.count, True)
    what = f"late joiner, worst of {len(late)}"
    rows.append(row(what, max(late), "s", "goal", 3.5, 1.0, less_is_better=True))
    beat = Beat(**part("loop", options.seconds, True))
    what = f"100 Hz with a policy every second: missed of {beat.ticks}"
    rows.append(Row(what, beat.missed, "ticks", "none", 0, None, 0, beat.missed == 0))
    rows.append(Row("  late (over a period)", beat.late, "ticks", "-", None, None, None, True))
    rows.append(Row("  p99", round(beat.percentile(99)), "us", "-", None, None, None, True))
    report("bench-delivery", rows)


def _timed(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - started)


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    main()
