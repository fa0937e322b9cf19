"""One training run: from a dataset to a policy artifact."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime, timezone

import numpy as np
import torch
from torch import Tensor

from turn_rl_ros.core.artifact import pack
from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.task import make_task
from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.cql import ContinuousCql
from turn_rl_ros.learn.discrete import DiscreteCql
from turn_rl_ros.learn.replay import Replay

PROBES = 16
"""Observations whose actions the receiver of a policy must reproduce."""
SAMPLE = 4096
"""Relabelled transitions from which the normalisation is taken."""
REPORTS = 100
"""How often in a training progress is told and divergence looked for."""

Progress = Callable[[int, int, Mapping[str, float]], None]


class Stopped(Exception):
    """The training was asked to stop before its end; there is no new policy."""


class TrainingFailed(TurnRlError):
    """The training cannot give a policy: the data cannot be learned from, or it diverged."""


def train(
    dataset: Dataset,
    config: TrainerConfig,
    *,
    turn: int,
    seed: int,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
    created_utc: str = "",
) -> bytes:
    """Learn a policy from everything recorded so far; the same arguments and threads give the same bytes.

    Args:
        dataset: all sessions of one task.
        config: how to learn.
        turn: the turn whose session the policy is for.
        seed: of initial weights, batches and sampled actions.
        progress: told (step, steps, metrics) now and then; metrics are means of the last batch, in units of reward.
        stop: asked before every step.
        created_utc: for the artifact; now, when empty.

    Returns:
        The artifact, as `core.artifact.pack` makes it.

    Raises:
        Stopped: `stop` said so.
        TrainingFailed: the data is empty or not finite, or the training diverged.
    """
    _check(dataset)
    torch.set_num_threads(config.threads)
    torch.set_float32_matmul_precision("medium")  # oneDNN instead of MKL; still fp32 arithmetic on a CPU without AMX
    spec = dataset.spec
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    replay = Replay(dataset, make_task(spec), config, rng)
    sample = replay.draw(SAMPLE)
    learner = (DiscreteCql if spec.discrete else ContinuousCql)(spec, sample, config, generator)
    metrics: dict[str, float] = {}
    every = max(1, config.steps // REPORTS)
    for step, batch in zip(range(1, config.steps + 1), replay.batches(), strict=False):
        if stop is not None and stop():
            raise Stopped(f"stopped at step {step - 1} of {config.steps}")
        found = learner.update(batch, step_size(config, step))
        if step % every == 0 or step == config.steps:
            metrics = _finite(found, step, config)
            if progress is not None:
                progress(step, config.steps, metrics)
    facts = {
        "turn": turn,
        "algorithm": learner.algorithm,
        "data_sha256": dataset.manifest_sha256,
        "transitions": len(dataset),
        "steps": config.steps,
        "seed": seed,
        "created_utc": created_utc or datetime.now(timezone.utc).isoformat(timespec="seconds"),
        **{f"trainer.{name}": value for name, value in asdict(config).items()},
        **{f"last.{name}": value for name, value in metrics.items()},
    }
    return pack(learner.kind, learner.weights(), spec, sample.observation[:PROBES].numpy(), facts)


def step_size(config: TrainerConfig, step: int) -> float:
    """Full for the first half of the training, then falling linearly to a fiftieth: the end result wavers less."""
    return config.learning_rate * max(0.02, min(1.0, 2.0 * (1.0 - step / config.steps)))


def _check(dataset: Dataset) -> None:
    if not len(dataset):
        raise TrainingFailed("there are no transitions to learn from; record a session first")
    for name in ("observations", "actions", "rewards", "next_observations"):
        if not np.isfinite(getattr(dataset, name)).all():
            raise TrainingFailed(
                f"{name} of the dataset has values that are not finite; remove the session they are in"
            )


def _finite(found: Mapping[str, Tensor], step: int, config: TrainerConfig) -> dict[str, float]:
    metrics = {name: float(value) for name, value in found.items()}
    for name, value in metrics.items():
        if not np.isfinite(value):
            raise TrainingFailed(
                f"training diverged at step {step}: {name} is {value}; lower trainer.learning_rate "
                f"(now {config.learning_rate}) or trainer.alpha (now {config.alpha})"
            )
    return metrics
