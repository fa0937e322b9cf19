"""One observation through a policy of two hidden layers of 256: NumPy, as on the robot, beside ONNX Runtime.

ONNX Runtime is installed, pinned, in `.venv-onnx` on first use; `--peers no` leaves it out, and the table says so.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import time
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from benchmarks.table import Row, report, row
from turn_rl_ros.core.policy import TanhPolicy
from turn_rl_ros.core.spec import Box, TaskSpec
from turn_rl_ros.core.task import make_spec

OBSERVATION, HIDDEN, ACTION = 20, 256, 7
PINS = ("onnxruntime==1.23.2", "onnx==1.19.1", "numpy==2.3.5")
PEER = """
import json, sys, time, numpy as np, onnx, onnxruntime
from onnx import TensorProto as T, helper as h, numpy_helper as n
rng, sizes, nodes, weights = np.random.default_rng(0), json.loads(sys.argv[1]), [], []
def constant(name, value): weights.append(n.from_array(value.astype(np.float32), name)); return name
constant("mean", np.zeros(sizes[0])), constant("std", np.ones(sizes[0]))
nodes += [h.make_node("Sub", ["x", "mean"], ["c"]), h.make_node("Div", ["c", "std"], ["y0"])]
for i, (a, b) in enumerate(zip(sizes, sizes[1:])):
    w, z = constant(f"w{i}", rng.normal(0, 0.3 / a**0.5, (a, b))), constant(f"b{i}", np.zeros(b))
    nodes.append(h.make_node("Gemm", [f"y{i}", w, z], [f"g{i}"]))
    nodes.append(h.make_node("Relu" if i < len(sizes) - 2 else "Tanh", [f"g{i}"], [f"y{i + 1}"]))
first = h.make_tensor_value_info("x", T.FLOAT, [1, sizes[0]])
last = h.make_tensor_value_info(nodes[-1].output[0], T.FLOAT, None)
model = h.make_model(h.make_graph(nodes, "p", [first], [last], weights), opset_imports=[h.make_opsetid("", 17)])
model.ir_version = 8
options = onnxruntime.SessionOptions(); options.intra_op_num_threads = 1
run = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"]).run
x = {"x": rng.normal(size=(1, sizes[0])).astype(np.float32)}
best = []
for _ in range(20):
    started = time.perf_counter()
    for _ in range(500): run(None, x)
    best.append((time.perf_counter() - started) / 500 * 1e6)
print(min(best))
"""


def arm() -> TaskSpec:
    """A continuous task of this size, without a URDF."""
    names = tuple(f"o{i}" for i in range(OBSERVATION))
    box = Box(names, ("1",) * OBSERVATION, (-1.0,) * OBSERVATION, (1.0,) * OBSERVATION)
    values = {**vars(make_spec({"kind": "gridworld"})), "observation": box}
    values["action"] = Box(names[:ACTION], ("1",) * ACTION, (-1.0,) * ACTION, (1.0,) * ACTION)
    return TaskSpec(**{name: values[name] for name in TaskSpec.__dataclass_fields__})


def policy(members: int) -> TanhPolicy:
    """An ensemble packed as one."""
    rng, sizes = np.random.default_rng(0), (OBSERVATION, HIDDEN, HIDDEN, ACTION)
    weights: dict[str, Any] = {"obs_mean": np.zeros(OBSERVATION), "obs_std": np.ones(OBSERVATION)}
    for i, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        weights[f"w{i}"] = rng.normal(0, 0.3 / np.sqrt(inputs), (members, inputs, outputs))
        weights[f"b{i}"] = np.zeros((members, 1, outputs))
    return TanhPolicy({name: value.astype(np.float32) for name, value in weights.items()}, arm())


def best_us(work: Callable[[], Any]) -> float:
    """Time of a call, us: the best of 20 times 500, as the peer measures."""
    times = []
    for _ in range(20):
        started = time.perf_counter()
        for _ in range(500):
            work()
        times.append((time.perf_counter() - started) / 500 * 1e6)
    return min(times)


def peer() -> Path:
    """The Python that has ONNX Runtime."""
    home = Path(".venv-onnx")
    if not (home / ".ready").exists():
        venv.create(home, with_pip=True)
        subprocess.run([home / "bin" / "pip", "install", "-qq", *PINS], check=True)
        (home / ".ready").touch()
    return home / "bin" / "python"


def main() -> None:
    """Measure in interleaved rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds")
    parser.add_argument("--peers", choices=("yes", "no"), default="yes", help="measure ONNX Runtime too")
    options = parser.parse_args()
    one, five = policy(1), policy(5)
    observation = np.random.default_rng(1).normal(size=OBSERVATION).astype(np.float32)
    times: dict[str, list[float]] = {"one": [], "five": [], "onnx": []}
    command = [peer(), "-c", PEER, json.dumps([OBSERVATION, HIDDEN, HIDDEN, ACTION])] if options.peers == "yes" else []
    for _ in track(range(options.rounds), description="rounds"):
        times["one"].append(best_us(lambda: one.act(observation)))
        times["five"].append(best_us(lambda: five.act(observation)))
        if command:
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            times["onnx"].append(float(done.stdout))
    single, ensemble = statistics.median(times["one"]), statistics.median(times["five"])
    name = "2x256 policy, one observation"
    rows = [Row(f"{name}: ONNX Runtime not measured (--peers no)", single, "us", "-", None, None, 1 / 1.2, False)]
    if command:
        onnx = statistics.median(times["onnx"])
        rows = [row(name, single, "us", "ONNX Runtime", onnx, round(1 / 1.2, 3), less_is_better=True)]
    rows.append(row("ensemble of 5, packed as one", ensemble, "us", "a single one", single, 0.25, less_is_better=True))
    report("bench-policy", rows)


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    main()
