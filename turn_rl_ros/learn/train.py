"""One training: from a dataset to checked policy artifacts, one a seed."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.artifact import pack
from turn_rl_ros.core.best_of import BestOfPolicy
from turn_rl_ros.core.config import from_mapping
from turn_rl_ros.core.errors import ConfigError, TurnRlError
from turn_rl_ros.core.memory import Memory
from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.learn.algorithms import find_algorithm
from turn_rl_ros.learn.config import BEST_OF_K, TrainerConfig
from turn_rl_ros.learn.engine import Progress, Run, Stopped, Training
from turn_rl_ros.learn.inputs import Inputs
from turn_rl_ros.learn.workers import checkpoint_files, run_seeds

__all__ = ["Stopped", "Trained", "TrainingFailed", "train"]

PROBES = 16
"""Observations whose actions the receiver of a policy must reproduce."""


class TrainingFailed(TurnRlError):
    """The training cannot give a policy: the data cannot be learned from, or every seed diverged."""


@dataclass(frozen=True)
class Trained:
    """What a training came to."""

    artifacts: dict[int, bytes]
    """Seed -> policy artifact, of the seeds that stand; never empty."""
    runs: list[Run]
    """Every seed, also those that diverged."""


def train(
    dataset: Dataset,
    config: TrainerConfig,
    own: Any = None,
    *,
    turn: int,
    seed: int,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
    checkpoint: Path | None = None,
    created_utc: str = "",
) -> Trained:
    """Learn from everything recorded so far; the same arguments and threads give the same bytes.

    Args:
        dataset: all sessions of one task.
        config: how to learn, and which algorithm.
        own: that algorithm's own `Config`; its defaults without one.
        turn: the turn whose session the policy is for.
        seed: the first of `config.seeds` seeds of initial weights, batches and noise.
        progress: told (step, steps, metrics) now and then; metrics are means over the seeds, in units of reward.
        stop: asked before every step.
        checkpoint: file that lets a killed training go on where it stood; removed at the end.
        created_utc: for the artifact; now, when empty.

    Raises:
        Stopped: `stop` said so.
        ConfigError: no such algorithm, none for this kind of action, or none that `config.extract` is for.
        TrainingFailed: the data is empty or not finite, or every seed diverged.
    """
    check_learnable(dataset)
    algorithm = find_algorithm(config.algorithm, dataset.spec.discrete)
    own = own if own is not None else from_mapping(algorithm.Config, {})
    kind = algorithm.kind
    if config.extract == BEST_OF_K:
        if not algorithm.proposes:
            raise ConfigError(
                f"trainer.extract = {BEST_OF_K!r}: the actor of {algorithm.name} proposes nothing; use cql"
            )
        kind = BestOfPolicy.kind
    training = Training(dataset, config, own, range(seed, seed + config.seeds), checkpoint, progress, stop)
    runs = run_seeds(training, config.processes)
    if all(run.diverged for run in runs):
        raise TrainingFailed(
            f"every seed diverged, the first at {runs[0].diverged}; lower trainer.learning_rate (now "
            f"{config.learning_rate}), or set trainer.clamp_targets"
        )
    facts = {
        "turn": turn,
        "algorithm": algorithm.name,
        "data_sha256": dataset.manifest_sha256,
        "transitions": len(dataset),
        "steps": config.steps,
        "created_utc": created_utc or datetime.now(timezone.utc).isoformat(timespec="seconds"),
        **{f"trainer.{name}": value for name, value in asdict(config).items()},
        **{f"trainer.{algorithm.name}.{name}": value for name, value in asdict(own).items()},
    }
    memory = tally(dataset, config.one_hot)
    probes = dataset.observations[np.linspace(0, len(dataset) - 1, PROBES).astype(int)]
    artifacts = {}
    for run in runs:
        if not run.diverged:
            last = {f"last.{name}": value for name, value in run.metrics.items()}
            artifacts[run.seed] = pack(
                kind, {**run.weights, **memory}, dataset.spec, probes, {**facts, "seed": run.seed, **last}
            )
    for path in checkpoint_files(checkpoint, config.processes) if checkpoint is not None else ():
        path.unlink()
    return Trained(artifacts, runs)


def tally(dataset: Dataset, one_hot: bool) -> dict[str, NDArray[np.float32]]:
    """What the sessions have tried, for the search of the next one; empty where states are not finitely many."""
    if not one_hot:
        return {}
    inputs = Inputs(dataset.spec, dataset.observations, one_hot)
    state, following = (inputs(each).numpy() for each in (dataset.observations, dataset.next_observations))
    sizes = tuple(int(size) for size in inputs.artifact()["one_hot"])
    actions = dataset.spec.action.size
    return Memory.tally(sizes, actions, state, dataset.actions.astype(int), following, dataset.rewards).arrays()


def check_learnable(dataset: Dataset) -> None:
    """Raise TrainingFailed for a dataset without rows or with values that are not finite."""
    if not len(dataset):
        raise TrainingFailed("there are no transitions to learn from; record a session first")
    for name in ("observations", "actions", "rewards", "next_observations"):
        bad = ~np.isfinite(getattr(dataset, name)).reshape(len(dataset), -1).all(axis=1)
        if bad.any():
            raise TrainingFailed(
                f"{name} of the dataset has a value that is not finite in row {int(bad.argmax())}; remove its session"
            )
