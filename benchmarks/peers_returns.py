"""Trains d3rlpy's CQL; runs in an environment of its own and knows nothing of this package.

Reads one JSON object a line and answers each with one. {"data", a dump of `ReplayBuffer`, "settings" of `CQLConfig`,
"width", "mean" and "std" of observations, "low" and "high" of actions, "steps", "seed", "out"} -> {"value", the lesser
critic's at the episodes' starts, "probes" and "actions", observations and what the policy does there}. The layers of
the policy's mean go to the file `out` as w0, b0, w1, ..., each (1, in, out) or (1, 1, out).
"""

import json
import sys
from pathlib import Path
from typing import Any

import d3rlpy
import numpy as np
import torch
from d3rlpy.algos import CQLConfig
from d3rlpy.models.encoders import VectorEncoderFactory
from d3rlpy.preprocessing import MinMaxActionScaler, StandardObservationScaler

PROBES = 16


def algorithm(asked: dict[str, Any]) -> Any:
    """CQL as it was asked for, not built yet."""
    layers = VectorEncoderFactory([asked["width"]] * 2)
    mean, std, low, high = (np.array(asked[name], np.float32) for name in ("mean", "std", "low", "high"))
    return CQLConfig(
        actor_encoder_factory=layers,
        critic_encoder_factory=layers,
        observation_scaler=StandardObservationScaler(mean=mean, std=std, eps=0.0),
        action_scaler=MinMaxActionScaler(minimum=low, maximum=high),
        **asked["settings"],
    ).create()


def start_values(made: Any, data: Any) -> float:
    """Mean over the episodes' starts of what the lesser critic says of the policy's action."""
    starts = torch.from_numpy(np.stack([episode.observations[0] for episode in data.episodes]).astype(np.float32))
    with torch.no_grad():
        x = made.config.observation_scaler.transform(starts)
        action = made.impl.policy(x).squashed_mu
        return float(torch.stack([q(x, action).q_value for q in made.impl.q_function]).amin(0).mean())


def train(asked: dict[str, Any]) -> dict[str, Any]:
    """Train one seed and save its policy."""
    d3rlpy.seed(asked["seed"])
    with Path(asked["data"]).open("rb") as file:
        data = d3rlpy.dataset.ReplayBuffer.load(file, d3rlpy.dataset.InfiniteBuffer())
    made = algorithm(asked)
    made.build_with_dataset(data)
    for _ in range(asked["steps"]):
        made.update(data.sample_transition_batch(made.config.batch_size))
    linear = [module for module in made.impl.policy._encoder.modules() if isinstance(module, torch.nn.Linear)]
    arrays = {}
    for i, layer in enumerate([*linear, made.impl.policy._mu]):
        arrays[f"w{i}"] = layer.weight.detach().numpy().T[None]
        arrays[f"b{i}"] = layer.bias.detach().numpy()[None, None]
    np.savez(asked["out"], **arrays)
    probes = data.episodes[0].observations[:PROBES].astype(np.float32)
    return {"value": start_values(made, data), "probes": probes.tolist(), "actions": made.predict(probes).tolist()}


if __name__ == "__main__":
    sys.stdout = sys.stderr  # d3rlpy logs to the standard output, which carries the answers
    torch.set_num_threads(1)
    for line in sys.stdin:
        print(json.dumps(train(json.loads(line))), file=sys.__stdout__, flush=True)
