"""The one training loop: any algorithm, all its seeds side by side, resumable, watched for divergence."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from turn_rl_ros.core.task import make_task
from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.learn import equations as eq
from turn_rl_ros.learn.algorithms import Algorithm, find_algorithm
from turn_rl_ros.learn.algorithms.base import Problem
from turn_rl_ros.learn.checkpoint import fingerprint, read_checkpoint, write_checkpoint
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.divergence import divergence
from turn_rl_ros.learn.fast import accelerated
from turn_rl_ros.learn.fast.kernels import choose_library
from turn_rl_ros.learn.inputs import Inputs
from turn_rl_ros.learn.noise import Noise
from turn_rl_ros.learn.replay import CHUNK, Replay, Stream
from turn_rl_ros.learn.starts import first_rows

SAMPLE = 4096
"""Relabelled transitions from which the normalisation is taken."""
REPORTS = 100
"""How often in a training progress is told and divergence looked for."""

Progress = Callable[[int, int, Mapping[str, float]], None]
"""Told (step, steps, metrics averaged over the seeds that stand)."""


class Stopped(Exception):
    """The training was asked to stop before its end; what was reached is in the checkpoint, if one is kept."""


@dataclass
class Run:
    """What came of one seed."""

    seed: int
    weights: dict[str, NDArray[np.float32]]
    """For `core.policy`; of a run that diverged the last ones that were good."""
    metrics: dict[str, float]
    diverged: str = ""
    """Why the run was stopped; empty when it stands."""


@dataclass
class Training:
    """Several seeds of one algorithm on one dataset, from the first step to the last."""

    dataset: Dataset
    config: TrainerConfig
    own: Any
    """Of the algorithm's `Config`."""
    seeds: Sequence[int]
    checkpoint: Path | None = None
    """File to resume from and to keep up to date; None: none."""
    progress: Progress | None = None
    stop: Callable[[], bool] | None = None
    _reasons: dict[int, str] = field(default_factory=dict, init=False)
    _metrics: dict[str, NDArray] = field(default_factory=dict, init=False)

    def run(self) -> list[Run]:
        """Learn, and give one `Run` a seed. Raises Stopped, OSError (the checkpoint cannot be written)."""
        torch.set_num_threads(self.config.threads)
        choose_library(self.config.width)
        self._prepare()
        self._good = {name: network.values.detach().clone() for name, network in self._algorithm.networks.items()}
        first = self._resume()
        every = max(1, self.config.steps // REPORTS)
        for step in range(first + 1, self.config.steps + 1):
            if self.stop is not None and self.stop():
                raise Stopped(f"stopped at step {step - 1} of {self.config.steps}")
            self._algorithm.rate = step_share(self.config, step)
            found = self._algorithm.update(self._stream.next())
            if step % every == 0 or step == self.config.steps:
                self._look(found, step)
                if len(self._reasons) == len(self.seeds):
                    break
            if self._due(step):
                self._save(step)
        return self._results()

    def _prepare(self) -> None:
        data, config = self.dataset, self.config
        replay = Replay(data, make_task(data.spec), config)
        self._inputs, rewards = survey(replay, data, config)
        low, high = eq.return_bounds(float(rewards.min()), float(rewards.max()), config.discount)
        noise = Noise(self.seeds)
        problem = Problem(data.spec, data, self._inputs, low, high, float(rewards.mean()), noise)
        kind = accelerated(find_algorithm(config.algorithm, data.spec.discrete), config)
        self._algorithm: Algorithm = kind(problem, config, self.own)
        self._stream = Stream(replay, self._inputs, config.batch_size, self.seeds)

    def _look(self, found: Mapping[str, Tensor], step: int) -> None:
        """Stop seeds that diverged, remember the others, tell progress."""
        problem = self._algorithm.problem
        self._metrics = {name: value.detach().numpy().copy() for name, value in found.items()}
        for index, seed in enumerate(self.seeds):
            mine = {name: float(value[index]) for name, value in self._metrics.items()}
            why = divergence(mine, problem.low, problem.high)
            if why and seed not in self._reasons:
                self._reasons[seed] = f"step {step}: {why}"
        standing = [index for index, seed in enumerate(self.seeds) if seed not in self._reasons]
        for name, network in self._algorithm.networks.items():
            for index in standing:
                block = slice(index * network.copies, (index + 1) * network.copies)
                self._good[name][block] = network.values.detach()[block]
        if self.progress is not None and standing:
            means = {name: float(value[standing].mean()) for name, value in self._metrics.items()}
            self.progress(step, self.config.steps, means)

    def _results(self) -> list[Run]:
        with torch.no_grad():
            for name, network in self._algorithm.networks.items():
                network.values.copy_(self._good[name])
        starts = self._inputs(self.dataset.observations[first_rows(self.dataset)])
        value = self._algorithm.value(starts.expand(len(self.seeds), *starts.shape))
        if value is not None:
            self._metrics["initial_value"] = value.mean(-1).numpy()
        return [
            Run(
                seed,
                self._algorithm.policy(index),
                {name: float(value[index]) for name, value in self._metrics.items()},
                self._reasons.get(seed, ""),
            )
            for index, seed in enumerate(self.seeds)
        ]

    def _due(self, step: int) -> bool:
        """Checkpoints lie where a chunk of batches ends: only there is the stream's state its generators' alone."""
        every = self.config.checkpoint_steps
        if self.checkpoint is None or not every or step == self.config.steps or step % CHUNK:
            return False
        return step // every > (step - CHUNK) // every

    def _identity(self) -> str:
        facts = {"config": asdict(self.config), "own": asdict(self.own), "seeds": list(self.seeds)}
        return fingerprint({**facts, "data": self.dataset.manifest_sha256, "rows": len(self.dataset)})

    def _save(self, step: int) -> None:
        assert self.checkpoint is not None
        tensors = {**self._algorithm.state(), **{f"good.{name}": value for name, value in self._good.items()}}
        facts = {"fingerprint": self._identity(), "step": step, "stream": self._stream.state()}
        facts["reasons"] = {str(seed): why for seed, why in self._reasons.items()}
        write_checkpoint(self.checkpoint, tensors, facts)

    def _resume(self) -> int:
        """Steps that a checkpoint of this very training saves; 0 without one."""
        found = read_checkpoint(self.checkpoint, self._identity()) if self.checkpoint is not None else None
        if found is None:
            return 0
        tensors, facts = found
        self._algorithm.restore(tensors)
        self._good = {name: tensors[f"good.{name}"].clone() for name in self._good}
        self._stream.restore(facts["stream"])
        self._reasons = {int(seed): why for seed, why in facts["reasons"].items()}
        return int(facts["step"])


def survey(replay: Replay, data: Dataset, config: TrainerConfig) -> tuple[Inputs, NDArray[np.float32]]:
    """Network inputs and rewards as a sample of relabelled rows shows them, the same for all seeds.

    The data's own least and greatest rewards are among them: a rare success must not be clamped away.
    """
    sample = replay.draw(SAMPLE, np.random.default_rng(0))
    extremes = [data.rewards.min(), data.rewards.max()]
    return Inputs(data.spec, sample.observation, config.one_hot), np.append(sample.reward, extremes)


def step_share(config: TrainerConfig, step: int) -> float:
    """Share of the step sizes at a step: full for the first half, then falling linearly to `final_rate`."""
    left = min(1.0, 2.0 * (1.0 - step / config.steps))
    return config.final_rate + (1.0 - config.final_rate) * left
