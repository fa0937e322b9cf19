"""Returns of our CQL beside d3rlpy's: the same data, the same settings, five seeds each.

Both programs get the same rows, normalisation, network sizes, step sizes and number of steps, and soft targets, the one
kind that both have. d3rlpy weighs the squared error twice as much as we do, so its conservative weight is twice our
alpha. What stays different is each program's own: initial values, order of updates, bounds of the standard deviation.
Policies of both run in our NumPy runtime; that it does what d3rlpy's own `predict` does is checked on the way.

    python -m benchmarks.bench_returns [--short] [--problem pendulum --problem reach --problem pushball]
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import matplotlib.pyplot as plt
import numpy as np
import typer
from rich.progress import Progress

from benchmarks.bench_train import D3RLPY, Worker, peer_python
from benchmarks.returns_problems import DATA, PROBLEMS, Array, Problem, UniformPolicy
from benchmarks.table import Row, report
from turn_rl_ros.core.config import from_mapping
from turn_rl_ros.core.policy import Policy, TanhPolicy
from turn_rl_ros.core.spec import Box, TaskSpec
from turn_rl_ros.core.task import make_task
from turn_rl_ros.data.exchange.exports import export
from turn_rl_ros.learn.algorithms.cql import CqlConfig
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.engine import Training, survey
from turn_rl_ros.learn.inputs import Inputs
from turn_rl_ros.learn.replay import Replay
from turn_rl_ros.study.stats import interval

TARGET = "bench-returns"
SHARED = {
    "algorithm": "cql",
    "width": 64,
    "batch_size": 128,
    "learning_rate": 1e-3,
    "actor_learning_rate": 1e-3,
    "target_rate": 0.01,
}
"""Smaller networks and larger steps than the papers', so that thirty trainings take minutes rather than days."""
TEMPERATURE = 0.1
"""At the start: rewards of these problems are small, and an entropy of weight 1 would drown them."""

Found = dict[str, Any]


def request(problem: Problem, config: TrainerConfig, own: CqlConfig, inputs: Inputs, data: Path) -> dict[str, Any]:
    """Our settings as d3rlpy's, but for seed and output file."""
    action = problem.data.spec.action
    assert isinstance(action, Box)
    settings = {
        "batch_size": config.batch_size,
        "gamma": config.discount,
        "tau": config.target_rate,
        "critic_learning_rate": config.learning_rate,
        "actor_learning_rate": config.actor_learning_rate,
        "temp_learning_rate": config.actor_learning_rate,
        "alpha_learning_rate": 0.0,
        "initial_alpha": 1.0,
        "conservative_weight": 2.0 * own.alpha,
        "alpha_threshold": 0.0,
        "initial_temperature": own.first_temperature,
        "n_action_samples": own.action_samples,
        "soft_q_backup": own.entropy_backup,
    }
    scale = {"mean": inputs.mean.tolist(), "std": inputs.std.tolist(), "low": action.low, "high": action.high}
    return {"data": str(data), "settings": settings, "width": config.width, "steps": config.steps, **scale}


def compare(problem: Problem, seeds: int, steps: int, workers: Sequence[Worker], folder: Path) -> Found:
    """Train and judge both programs: judge -> scores of `ours`, `theirs` (seeds,) and of `random`; and start values."""
    config = from_mapping(TrainerConfig, {**SHARED, **problem.settings, "seeds": seeds, "steps": steps})
    own = CqlConfig(alpha=problem.alpha, entropy_backup=True, first_temperature=TEMPERATURE)
    inputs, _ = survey(Replay(problem.data, make_task(problem.data.spec), config), problem.data, config)
    export(problem.data, "d3rlpy", folder / f"{problem.name}.h5")
    asked = request(problem, config, own, inputs, folder / f"{problem.name}.h5")
    with Progress() as bars:
        ours_bar = bars.add_task(f"{problem.name}, ours", total=steps)
        theirs_bar = bars.add_task(f"{problem.name}, {D3RLPY}", total=seeds)
        for seed in range(seeds):
            workers[seed % len(workers)].send({**asked, "seed": seed, "out": str(folder / f"{problem.name}{seed}.npz")})

        def told(step: int, of: int, metrics: Mapping[str, float]) -> None:
            bars.update(ours_bar, completed=step)

        runs = Training(problem.data, config, own, range(seeds), progress=told).run()
        policies: dict[str, list[Policy]] = {"ours": [TanhPolicy(run.weights, problem.data.spec) for run in runs]}
        policies["theirs"], values = [], []
        for seed in range(seeds):
            answer = workers[seed % len(workers)].receive()
            policies["theirs"].append(received(folder / f"{problem.name}{seed}.npz", inputs, problem.data.spec, answer))
            values.append(answer["value"])
            bars.advance(theirs_bar)
    everyone = [*policies["ours"], *policies["theirs"], UniformPolicy(problem.data.spec)]
    own_values = [run.metrics["initial_value"] for run in runs]
    found: Found = {"own value at the starts": {"ours": own_values, "theirs": values, "random": None, "unit": "reward"}}
    for what, (unit, judge) in problem.judges.items():
        scores = judge(everyone).tolist()
        found[what] = {"ours": scores[:seeds], "theirs": scores[seeds:-1], "random": scores[-1], "unit": unit}
    return {what: {**one, "steps": steps} for what, one in found.items()}


def received(path: Path, inputs: Inputs, spec: TaskSpec, answer: Mapping[str, Any]) -> Policy:
    """d3rlpy's policy in our runtime. Raises AssertionError when it does not do what d3rlpy says that it does."""
    with np.load(path) as layers:
        policy = TanhPolicy({**layers, **inputs.artifact()}, spec)
    actions = [policy.act(np.array(one, np.float32)) for one in answer["probes"]]
    np.testing.assert_allclose(actions, answer["actions"], atol=1e-4)
    return policy


def mean(scores: Array) -> float:
    """Of all entries."""
    return float(scores.mean())


def rows(results: dict[str, Found]) -> list[Row]:
    """One row a problem and judge; met unless the interval of the difference lies below zero.

    The ratio is that of normalised scores, zero of which is what random actions are worth.
    """
    table = []
    for problem, found in results.items():
        for what, one in found.items():
            ours, theirs = np.array(one["ours"]), np.array(one["theirs"])
            (value, *inside), (reference, *their_inside) = (interval(x[:, None], mean) for x in (ours, theirs))
            text = f"{problem}, {what} after {one['steps']} steps, 95 % {_span(inside)}"
            against = f"{D3RLPY}, 95 % {_span(their_inside)}"
            if one["random"] is None:  # no truth to hold it against: told, not judged
                table.append(Row(text, round(value, 3), one["unit"], against, round(reference, 3), None, None, True))
                continue
            less, low, high = interval(np.stack([ours, theirs], 1), lambda x: float(x[:, 0].mean() - x[:, 1].mean()))
            text += f"; less theirs {less:+.3g} ({_span((low, high))}); random {one['random']:.3g}"
            above = reference - one["random"]  # not positive where an estimate flatters random actions: then no ratio
            ratio = round((value - one["random"]) / above, 3) if above > 0 else None
            table.append(Row(text, round(value, 3), one["unit"], against, round(reference, 3), ratio, 1.0, high >= 0))
    return table


def unmeasured(why: str) -> Row:
    """A row that says what could not be measured."""
    return Row(f"not measured: {why}", None, "", D3RLPY, None, None, None, False)


def _span(ends: Sequence[float]) -> str:
    return f"{ends[0]:.3g} to {ends[1]:.3g}"


def draw(results: dict[str, Found], path: Path) -> None:
    """Every seed of both programs, a panel each problem and judge; random actions as a dashed line."""
    panels = [(f"{name}: {what}", one) for name, found in results.items() for what, one in found.items()]
    figure, axes = plt.subplots(1, len(panels), figsize=(3.2 * len(panels), 3.2), squeeze=False)
    for axis, (title, one) in zip(axes[0], panels, strict=True):
        for place, side in enumerate(("ours", "theirs")):
            value, low, high = interval(np.array(one[side])[:, None], mean)
            axis.plot([place] * len(one[side]), one[side], "o", alpha=0.5)
            axis.errorbar(place + 0.15, value, [[value - low], [high - value]], fmt="_k", capsize=4)
        if one["random"] is not None:
            axis.axhline(one["random"], linestyle="--", color="grey")
        axis.set(title=title, xticks=(0, 1), xticklabels=("turn_rl_ros", "d3rlpy"), xlim=(-0.5, 1.5))
        axis.title.set_fontsize(8)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main(
    problem: Annotated[list[str] | None, typer.Option(help="pendulum, reach, pushball; all without it")] = None,
    seeds: Annotated[int, typer.Option(help="trainings of each program")] = 5,
    steps: Annotated[int, typer.Option(help="gradient steps of each")] = 5000,
    short: Annotated[bool, typer.Option(help="two seeds, few steps: whether it runs")] = False,
    again: Annotated[bool, typer.Option(help="only table and picture, from what the JSON files hold")] = False,
) -> None:
    """Train both programs on the same data and compare what their policies are worth."""
    seeds, steps = (2, 100) if short else (seeds, steps)
    results, missing = {}, []
    Path("results").mkdir(exist_ok=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        try:
            workers = [] if again else start(stack, seeds)
        except (subprocess.SubprocessError, OSError) as error:
            report(TARGET, [unmeasured(f"{D3RLPY} cannot be installed ({error})")])
            return
        for name in problem or [name for name in PROBLEMS if not again or kept(name).exists()]:
            if not again:
                if (made := PROBLEMS[name](folder)) is None:
                    missing.append(unmeasured(f"{name}: {DATA} does not name a folder with its recordings"))
                    continue
                kept(name).write_text(json.dumps(compare(made, seeds, steps, workers, folder)))
            results[name] = json.loads(kept(name).read_text())
    report(TARGET, [*rows(results), *missing])
    if results:
        draw(results, Path("results") / f"{TARGET}.png")


def kept(name: str) -> Path:
    """Where the scores of a problem stay."""
    return Path("results") / f"{TARGET}-{name}.json"


def start(stack: ExitStack, seeds: int) -> list[Worker]:
    """d3rlpy's processes, one a core. Raises SubprocessError, OSError."""
    python, script = peer_python(), Path(__file__).with_name("peers_returns.py")
    return [stack.enter_context(Worker(python, script)) for _ in range(min(seeds, os.cpu_count() or 1))]


if __name__ == "__main__":
    typer.run(main)
