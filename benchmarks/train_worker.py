"""How fast the training engine trains, end to end: batches drawn, steps taken, progress told, divergence watched.

Reads one JSON object a line and answers each with one. {"settings": {TrainerConfig}, "steps"} -> {"fit", "memory"},
seed-steps/s of a whole training, from its first report of progress to its last, and peak memory in MB.
{"gemm": threads} -> {"gemm"}, the best float32 rate of a matrix product here, in GFLOP/s.
"""

import json
import resource
import sys
import time

import numpy as np
import torch

from turn_rl_ros.core.config import from_mapping
from turn_rl_ros.core.task import make_spec
from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.data.schema import row_dtype
from turn_rl_ros.learn.algorithms import find_algorithm
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.engine import Training
from turn_rl_ros.learn.workers import run_seeds

ROWS, OBSERVATION, ACTION, EPISODE = 10_000, 20, 7, 200


def dataset(discrete: bool) -> Dataset:
    """Rows of noise in episodes of `EPISODE` steps, the same as the peer's in shape and type."""
    observation, action = ([f"{name}{i}" for i in range(n)] for name, n in (("o", OBSERVATION), ("a", ACTION)))
    bounds = {f"{name}_{end}": [sign] * n for name, n in (("observation", OBSERVATION), ("action", ACTION))
              for end, sign in (("low", -1.0), ("high", 1.0))}  # fmt: skip
    units = {"observation_units": ["1"] * OBSERVATION, "action_units": ["1"] * ACTION}
    names = {"observation_names": observation, "action_names": action}
    spec = make_spec({"kind": "recorded", "discrete": discrete, "episode_steps": EPISODE, **names, **units, **bounds})
    rng, dtype = np.random.default_rng(0), row_dtype(spec)
    columns = {name: np.zeros((ROWS, *dtype[name].shape), dtype[name].base) for name in dtype.names or ()}
    for name in ("observations", "next_observations", "rewards"):
        columns[name] = rng.normal(size=columns[name].shape).astype(np.float32)
    shape = columns["actions"].shape
    columns["actions"] = rng.integers(ACTION, size=shape) if discrete else rng.uniform(-1, 1, shape).astype(np.float32)
    columns["episode"], columns["step"] = np.divmod(np.arange(ROWS), EPISODE)
    columns["terminals"] = columns["step"] == EPISODE - 1
    return Dataset(spec, **columns, session=np.zeros(ROWS, np.int32), sessions=(), manifest_sha256="")


def train(settings: dict, steps: int) -> float:
    """Seed-steps/s of one training."""
    config = from_mapping(TrainerConfig, {**settings, "steps": steps, "checkpoint_steps": 0})
    data = dataset(config.algorithm.startswith("discrete"))
    own = from_mapping(find_algorithm(config.algorithm, data.spec.discrete).Config, {})
    told: list[tuple[float, int]] = []

    def progress(step: int, of: int, metrics: object) -> None:
        told.append((time.perf_counter(), step))

    run_seeds(Training(data, config, own, range(config.seeds), progress=progress), config.processes)
    (start, first), (end, last) = told[0], told[-1]
    return config.seeds * (last - first) / (end - start)


def gemm(threads: int) -> float:
    """GFLOP/s of the best of some square and tall products, by either library."""
    torch.set_num_threads(threads)
    best = 0.0
    for precision in ("highest", "medium"):
        torch.set_float32_matmul_precision(precision)
        for rows, inner in ((1024, 1024), (2048, 512), (2048, 256)):
            a, b, out = torch.randn(rows, inner), torch.randn(inner, inner), torch.empty(rows, inner)
            for _ in range(20):
                start = time.perf_counter()
                torch.mm(a, b, out=out)
                best = max(best, 2.0 * rows * inner * inner / (time.perf_counter() - start) / 1e9)
    return best


def main() -> None:
    """Answer requests until the input ends."""
    for line in sys.stdin:
        asked = json.loads(line)
        if "gemm" in asked:
            answer = {"gemm": gemm(asked["gemm"])}
        else:
            answer = {"fit": train(asked["settings"], asked["steps"])}
            answer["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
