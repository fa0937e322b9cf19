"""How fast d3rlpy trains; runs in an environment of its own and knows nothing of this package.

Reads one JSON object a line, {"what", "width", "seconds"}, and answers each with one: {"fit", "update", "memory"},
steps/s of what `fit` does at every step (draw a batch, update), steps/s of the update alone, and peak memory in MB.
Threads come as the first argument. The first request for an algorithm also builds it and takes a few steps, unmeasured.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import d3rlpy
import numpy as np
import torch
from d3rlpy.algos import CQLConfig, DiscreteCQLConfig, IQLConfig
from d3rlpy.models.encoders import VectorEncoderFactory

ROWS, OBSERVATION, ACTION, BATCH, EPISODE = 10_000, 20, 7, 256, 200


def dataset(discrete: bool) -> Any:
    """Rows of noise in episodes of `EPISODE` steps."""
    rng = np.random.default_rng(0)
    observation = rng.normal(size=(ROWS, OBSERVATION)).astype(np.float32)
    shape = (ROWS, ACTION)
    action = rng.integers(ACTION, size=(ROWS, 1)) if discrete else rng.uniform(-1, 1, shape).astype(np.float32)
    ends = (np.arange(1, ROWS + 1) % EPISODE == 0).astype(np.float32)
    return d3rlpy.dataset.MDPDataset(observation, action, rng.normal(size=ROWS).astype(np.float32), ends)


def algorithm(what: str, width: int) -> Any:
    """The algorithm with its own defaults, which are the paper's, save batch size and layers."""
    layers = VectorEncoderFactory([width, width])
    if what == "discrete_cql":
        return DiscreteCQLConfig(encoder_factory=layers, batch_size=BATCH).create()
    both = {"actor_encoder_factory": layers, "critic_encoder_factory": layers, "batch_size": BATCH}
    return (IQLConfig(**both, value_encoder_factory=layers) if what == "iql" else CQLConfig(**both)).create()


def rate(step: Callable[[], object], seconds: float) -> float:
    """Calls a second."""
    start, count = time.perf_counter(), 0
    while (taken := time.perf_counter() - start) < seconds:
        step()
        count += 1
    return count / taken


def main() -> None:
    """Answer requests until the input ends."""
    torch.set_num_threads(int(sys.argv[1]))
    ready: dict[tuple[str, int], tuple[Any, Any]] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        key = (asked["what"], asked["width"])
        if key not in ready:
            data, made = dataset(key[0] == "discrete_cql"), algorithm(*key)
            made.build_with_dataset(data)
            ready[key] = (data, made)
            for _ in range(5):
                made.update(data.sample_transition_batch(BATCH))
        data, made = ready[key]
        batch = data.sample_transition_batch(BATCH)
        answer = {
            "fit": rate(lambda: made.update(data.sample_transition_batch(BATCH)), asked["seconds"]),  # noqa: B023
            "update": rate(lambda: made.update(batch), asked["seconds"] / 2),  # noqa: B023
            "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        }
        print(json.dumps(answer), file=sys.__stdout__, flush=True)


if __name__ == "__main__":
    sys.stdout = sys.stderr  # d3rlpy logs to the standard output, which carries the answers
    main()
