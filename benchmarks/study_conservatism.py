"""Conservatism that adapts beside every fixed alpha, from the first random session to the last turn.

Each rule walks the turns for itself: its policy chooses what its next session sees. Seeds are paired: the same number
gives the same first session, goals and weights to every rule.

    python -m benchmarks.study_conservatism [--short] [--env gridworld --env panda]
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import matplotlib.pyplot as plt
import numpy as np
import torch
import typer
from numpy.typing import NDArray
from rich.progress import track

from benchmarks.in_process import Scenario
from benchmarks.table import Row, report
from turn_rl_ros.core.artifact import open_artifact
from turn_rl_ros.learn.train import TrainingFailed, train
from turn_rl_ros.study.stats import interval, iqm

TARGET = "study-conservatism"
FIXED = {"gridworld": (0.0, 0.01, 0.1, 1.0), "panda": (0.0, 0.005, 0.1, 1.0)}
BEST_RETURN = 251.0
"""Return of the shortest way on the shipped grid; the reach score is the success rate as it is."""
GOALS = {"gridworld": 1, "panda": 25}
SIZES: dict[str, dict[str, Any]] = {"gridworld": {"steps": 2000}, "panda": {"steps": 1000, "width": 64}}
"""Smaller trainings than the scenario's, so that dozens of them fit into an hour on one core."""

Array = NDArray[np.float64]


def rules(env: str) -> dict[str, dict[str, Any]]:
    """Name of a rule -> what it sets in the algorithm's own configuration."""
    fixed = {f"alpha {alpha:g}": {"alpha_rule": "fixed", "alpha": alpha} for alpha in FIXED[env]}
    return {**fixed, "adaptive": {"alpha_rule": "adaptive"}}


def walk(scenario: Scenario, env: str, own: dict[str, Any], turns: int, seed: int) -> tuple[list[float], list[float]]:
    """Score of the policy after each turn, and the alpha that it was trained with, (turns,) each."""
    policy, sessions, scores, alphas = None, [], [], []
    for turn in range(turns):
        sessions.append(scenario.session(policy, turn, seed))
        data = scenario.dataset(sessions)
        try:
            trained = train(data, scenario.trainer, replace(scenario.own, **own), turn=turn + 1, seed=seed)
            policy = open_artifact(trained.artifacts[seed], data.spec).policy
            alphas.append(trained.runs[0].metrics["alpha"])
        except TrainingFailed:
            alphas.append(float("nan"))  # the policy before goes on, as it would on a robot
        if policy is None:
            scores.append(0.0)
            continue
        result = scenario.score(policy, GOALS[env])
        scores.append(result.success_rate if env == "panda" else result.mean_return / BEST_RETURN)
    return scores, alphas


def measure(env: str, turns: int, seeds: int, changes: dict[str, Any], first: int, path: Path) -> None:
    """Fill `path` with rule -> scores and alphas, lists (seeds, turns); it is up to date after every seed."""
    scenario = Scenario.load(env, **changes)
    found: dict[str, Any] = {name: {"scores": [], "alphas": []} for name in rules(env)}
    for seed in track(range(first, first + seeds), description=env):
        for name, own in rules(env).items():
            scores, alphas = walk(scenario, env, own, turns, seed)
            found[name]["scores"].append(scores)
            found[name]["alphas"].append(alphas)
        path.write_text(json.dumps(found))


def verdict(env: str, found: dict[str, Any]) -> list[Row]:
    """Each rule's interquartile mean over seeds and turns, beside that of `adaptive`."""
    adaptive = np.array(found["adaptive"]["scores"])
    rows = []
    for name, one in found.items():
        scores = np.array(one["scores"])
        value, low, high = interval(scores)
        ours, below, above = difference(adaptive, scores)
        what = f"{env}: {name}, IQM over turns, 95 % {low:.2f} to {high:.2f}"
        against = f"adaptive less this: {ours:+.3f} ({below:+.3f} to {above:+.3f})"
        ratio = round(iqm(adaptive) / value, 3) if value else None
        rows.append(Row(what, round(value, 3), "share", against, round(iqm(adaptive), 3), ratio, 1.0, above >= 0))
    return rows


def difference(ours: Array, theirs: Array) -> tuple[float, float, float]:
    """Mean difference of paired runs (seeds, turns) with its 95 % interval."""
    return interval((ours - theirs).mean(axis=1, keepdims=True), lambda one: float(one.mean()))


def overall(results: dict[str, dict[str, Any]]) -> list[Row]:
    """All environments together: the n-th fixed alpha of each, against `adaptive`."""
    names = {env: list(found) for env, found in results.items()}
    ours = np.concatenate([np.array(found["adaptive"]["scores"]).mean(1) for found in results.values()])
    rows = []
    for index in range(len(next(iter(FIXED.values())))):
        theirs = np.concatenate(
            [np.array(found[names[env][index]]["scores"]).mean(1) for env, found in results.items()]
        )
        value, low, high = interval((ours - theirs)[:, None], lambda one: float(one.mean()))
        label = " / ".join(dict.fromkeys(names[env][index] for env in results))
        what = f"overall: adaptive less {label}, mean score, 95 % {low:+.3f} to {high:+.3f}"
        rows.append(Row(what, round(value, 4), "share", "0", 0.0, None, 0.0, low > 0))
    return rows


def draw(results: dict[str, dict[str, Any]], path: Path) -> None:
    """Score against turn for each rule, and the alpha that `adaptive` chose."""
    figure, axes = plt.subplots(2, len(results), figsize=(5.5 * len(results), 6), squeeze=False, sharex=True)
    for column, (env, found) in enumerate(results.items()):
        for name, one in found.items():
            scores = np.array(one["scores"])
            middle = [iqm(scores[:, turn]) for turn in range(scores.shape[1])]
            style = {"color": "black", "linewidth": 2.5} if name == "adaptive" else {"alpha": 0.8}
            axes[0, column].plot(range(1, len(middle) + 1), middle, label=name, **style)
        alphas = np.array(found["adaptive"]["alphas"])
        axes[1, column].plot(range(1, alphas.shape[1] + 1), alphas.T, color="black", alpha=0.4)
        axes[0, column].set(title=env, ylabel="score (1: best)", ylim=(-0.03, 1.05))
        axes[1, column].set(xlabel="turns trained on", ylabel="adaptive alpha", yscale="log")
        axes[0, column].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main(
    env: Annotated[list[str] | None, typer.Option(help="gridworld, panda; both without it")] = None,
    turns: Annotated[int, typer.Option(help="sessions, and trainings after them")] = 5,
    seeds: Annotated[int, typer.Option(help="paired repetitions; half as many for the Panda")] = 10,
    first_seed: Annotated[int, typer.Option(help="number of the first of them")] = 100,
    short: Annotated[bool, typer.Option(help="two turns, two seeds, few steps: whether it runs")] = False,
    again: Annotated[bool, typer.Option(help="only table and picture, from what the JSON files hold")] = False,
) -> None:
    """Compare the rules that set CQL's alpha over whole runs of turns."""
    torch.set_num_threads(1)
    folder = Path("results")
    folder.mkdir(exist_ok=True)
    results = {}
    for name in env or list(FIXED):
        path = folder / f"{TARGET}-{name}.json"
        if not again:
            count = max(2, seeds // 2) if name == "panda" else seeds
            changes = {**SIZES[name], "steps": 200} if short else SIZES[name]
            measure(name, 2 if short else turns, 2 if short else count, changes, first_seed, path)
        results[name] = json.loads(path.read_text())
    rows = [row for name, found in results.items() for row in verdict(name, found)] + overall(results)
    report(TARGET, rows)
    draw(results, folder / f"{TARGET}.png")


if __name__ == "__main__":
    typer.run(main)
