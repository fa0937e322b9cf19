"""From a training to what is delivered: the rule chooses, the estimate says what it is worth, the gate may refuse."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from turn_rl_ros.core.artifact import open_artifact
from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.policy import MEAN, MEDIAN, VOTE
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.engine import Progress
from turn_rl_ros.learn.selection.config import SelectionConfig
from turn_rl_ros.learn.selection.ensemble import ensemble, unpack
from turn_rl_ros.learn.selection.fqe import Estimates, estimate_values
from turn_rl_ros.learn.selection.gate import gate
from turn_rl_ros.learn.selection.scores import best
from turn_rl_ros.learn.train import Trained

COMBINED = {"average": MEAN, "median": MEDIAN, "vote": VOTE}
"""Rule -> how it makes one policy of all."""


@dataclass(frozen=True)
class Decision:
    """What is delivered, and the story of it."""

    blob: bytes | None
    """The artifact; None: nothing is delivered, the deployed policy stays."""
    chosen: bytes
    """The artifact also where the gate withheld it, for those who ask for it all the same."""
    story: dict[str, Any]
    """Plain JSON values for the report; see `decide`."""


def decide(
    trained: Trained,
    dataset: Dataset,
    config: TrainerConfig,
    selection: SelectionConfig,
    deployed: bytes | None = None,
    *,
    robot_returns: Mapping[int, float] | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> Decision:
    """Choose by `selection.deploy`, and with `selection.gate` ask whether it is good enough.

    Nothing is estimated where nothing depends on it: then it costs no time.

    Args:
        trained: one artifact a seed.
        dataset: everything recorded so far.
        config: of the training.
        selection: rule, gate, and how to estimate.
        deployed: the artifact that acts now; None: none, and everything passes the gate.
        robot_returns: seed -> mean return of its episodes on the robot, for the rule `robot`.
        progress: told (step, steps, {}) while estimating.
        stop: asked before every step of the estimate.

    Returns:
        The decision; its story has `deploy`, `chosen`, `delivered`, `why` (one line), `candidates` and `deployed`
        (name, value, low, high each; and gain, gain_low, gain_high over the deployed policy), `diverged` (seed -> why)
        and how it was estimated.
        The artifact's metadata has `estimate`, `estimate_low`, `estimate_high` where there is an estimate.

    Raises:
        ConfigError: the rule does not fit the task, or needs robot returns.
        PolicyRejected: `deployed` is not for this task.
        Stopped: `stop` said so.
    """
    check_rule(selection, dataset.spec, bool(robot_returns))
    names, blobs = _candidates(trained, dataset, selection, robot_returns or {})
    against = [deployed] if deployed is not None and selection.gate else []
    diverged = {str(run.seed): run.diverged for run in trained.runs if run.diverged}
    story: dict[str, Any] = {"deploy": selection.deploy, "diverged": diverged}
    if len(blobs) == 1 and not against:
        why = f"{names[0]}, by the rule {selection.deploy!r}; nothing to weigh it against"
        story |= {"candidates": [{"name": names[0]}], "chosen": names[0], "delivered": True, "why": why}
        return Decision(blobs[0], blobs[0], story)
    discount = selection.estimate_discount or config.discount
    estimates = estimate_values(
        dataset,
        [open_artifact(blob, dataset.spec).policy for blob in [*blobs, *against]],
        config,
        discount=discount,
        steps=selection.estimate_steps,
        resamples=selection.resamples,
        confidence=selection.confidence,
        progress=progress,
        stop=stop,
    )
    story |= {"discount": discount, "confidence": selection.confidence, "transitions": len(dataset)}
    last = len(blobs) if against else None
    story["candidates"] = [_facts(name, estimates, index, last) for index, name in enumerate(names)]
    if last is not None:
        story["deployed"] = _facts("deployed", estimates, last, None)
    index = best([one["value"] for one in story["candidates"]])
    found = estimates.of(index)
    refused = gate(found, estimates.of(last) if last is not None else None)
    why = f"by the rule {selection.deploy!r}; its estimate is {found.value:.3g} [{found.low:.3g}, {found.high:.3g}]"
    story |= {"chosen": names[index], "delivered": not refused}
    story["why"] = f"{names[index]} is withheld: {refused}" if refused else f"{names[index]}, {why}"
    papers = {"estimate": found.value, "estimate_low": found.low, "estimate_high": found.high}
    chosen = unpack(blobs[index]).pack(dataset.spec, {**papers, "estimate_discount": discount})
    return Decision(None if refused else chosen, chosen, story)


def check_rule(selection: SelectionConfig, spec: TaskSpec, robot: bool) -> None:
    """Raise ConfigError where `selection.deploy` cannot be followed; `robot`: each seed's return there is known."""
    if selection.deploy == "vote" and not spec.discrete:
        raise ConfigError("deploy = 'vote' needs finitely many actions; for this task use average or median")
    if selection.deploy == "robot" and not robot:
        raise ConfigError("deploy = 'robot' needs each seed's return on the robot; run them there, or use estimate")


def _candidates(
    trained: Trained, dataset: Dataset, selection: SelectionConfig, robot_returns: Mapping[int, float]
) -> tuple[list[str], list[bytes]]:
    """Names and artifacts from which the estimate chooses; only the rule `estimate` leaves more than one."""
    seeds, rule = sorted(trained.artifacts), selection.deploy
    if rule in COMBINED:
        if len(seeds) > 1:
            blob = ensemble([trained.artifacts[seed] for seed in seeds], dataset.spec, COMBINED[rule])
            return [f"{rule} of seeds {', '.join(map(str, seeds))}"], [blob]
    elif rule == "robot":
        seeds = [seeds[best([robot_returns.get(seed, math.nan) for seed in seeds])]]
    elif rule == "first":
        seeds = seeds[:1]
    return [f"seed {seed}" for seed in seeds], [trained.artifacts[seed] for seed in seeds]


def _facts(name: str, estimates: Estimates, index: int, deployed: int | None) -> dict[str, Any]:
    facts = {"name": name, **asdict(estimates.of(index))}
    if deployed is not None:
        gain = estimates.gain(index, deployed)
        facts |= {"gain": gain.value, "gain_low": gain.low, "gain_high": gain.high}
    return facts
