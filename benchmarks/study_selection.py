"""How well off-policy scores rank policies against the simulator's truth, and which rule delivers the best of N seeds.

python -m benchmarks.study_selection [--short] [--env gridworld --env panda]
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import matplotlib.pyplot as plt
import numpy as np
import torch
import typer
from rich.progress import track

from benchmarks.in_process import Scenario
from benchmarks.table import Row, report
from turn_rl_ros.core.artifact import open_artifact
from turn_rl_ros.core.policy import Policy
from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.learn.selection.choose import COMBINED
from turn_rl_ros.learn.selection.ensemble import ensemble
from turn_rl_ros.learn.selection.fqe import estimate_values
from turn_rl_ros.learn.selection.gate import gate
from turn_rl_ros.learn.selection.scores import best, initial_value, td_error
from turn_rl_ros.learn.selection.wis import random_walk_probability, weighted_importance
from turn_rl_ros.learn.train import train
from turn_rl_ros.study.stats import interval, regret, spearman

TARGET = "study-selection"


@dataclass(frozen=True)
class Plan:
    """What one environment's study takes."""

    scenario: dict[str, Any]
    sessions: int
    """Recorded before anything is ranked: the first at random, the others by a policy learnt from those before."""
    steps: tuple[int, ...]
    alphas: tuple[float, ...]
    """Trainings of every number of steps with every alpha make policies of mixed quality."""
    seeds: int
    """Of each of them."""
    members: int
    """Seeds from which a rule chooses."""
    member_steps: int
    """Their training: short enough that they differ."""
    goals: int
    """Episodes behind a true return."""
    robot_goals: int
    """Episodes behind the robot return by which the rule `robot` chooses, other ones."""
    discounts: tuple[float, ...]
    """Of the estimates; the first is the training's."""
    estimate_steps: int


PLANS = {
    "gridworld": Plan(
        scenario={"task": {"slip": 0.1}, "steps": 2000},  # without slips a policy reaches the reward or does not
        sessions=4,
        steps=(100, 300, 1000, 3000),
        alphas=(0.0, 0.01, 0.3),
        seeds=4,
        members=5,
        member_steps=1000,
        goals=20,
        robot_goals=3,
        discounts=(0.95, 0.99),
        estimate_steps=1,
    ),
    "panda": Plan(
        scenario={"steps": 1000, "width": 64},
        sessions=3,
        steps=(100, 300, 1000),
        alphas=(0.005, 0.1),
        seeds=5,
        members=5,
        member_steps=600,
        goals=20,
        robot_goals=3,
        discounts=(0.9, 0.97),
        estimate_steps=1000,
    ),
}
FEW: dict[str, Any] = {"seeds": 2, "members": 2, "member_steps": 50, "goals": 2, "estimate_steps": 50}
SHORT = {
    "gridworld": replace(PLANS["gridworld"], steps=(300, 3000), alphas=(0.01,), **FEW),
    "panda": replace(
        PLANS["panda"], scenario={"steps": 100, "width": 16}, sessions=2, steps=(50, 100), alphas=(0.005,), **FEW
    ),
}


class Study:
    """One environment: its data, its trainings, the truth."""

    def __init__(self, env: str, plan: Plan) -> None:
        self.plan = plan
        changes = dict(plan.scenario)
        self.scenario = Scenario.load(env, changes.pop("task", None), **changes)

    def data(self, seed: int) -> Dataset:
        """Sessions of the first turns of a run that has seen more than one reward: without, nothing is to be ranked."""
        policy, sessions = None, []
        for turn in range(self.plan.sessions):
            sessions.append(self.scenario.session(policy, turn, seed))
            if turn + 1 < self.plan.sessions:
                policy = self.policies(self.scenario.dataset(sessions), seed, 1)[0][0]
        data = self.scenario.dataset(sessions)
        return data if np.ptp(data.rewards) else self.data(seed + 1000)

    def policies(
        self, data: Dataset, seed: int, count: int, **changes: Any
    ) -> tuple[list[Policy], list[bytes], list[Any]]:
        """Policies, artifacts and runs of `count` seeds that stand; `alpha` and `steps` may differ from the plan's."""
        own = replace(self.scenario.own, **{k: v for k, v in changes.items() if k == "alpha"})
        config = replace(self.scenario.trainer, seeds=count, steps=changes.get("steps", self.scenario.trainer.steps))
        trained = train(data, config, own, turn=1, seed=seed)
        runs = [run for run in trained.runs if not run.diverged]
        blobs = [trained.artifacts[run.seed] for run in runs]
        return [open_artifact(blob, data.spec).policy for blob in blobs], blobs, runs

    def truth(self, policy: Policy) -> tuple[float, float]:
        """Mean return on the plan's held-out goals, and on the few others by which a robot would choose."""
        returns = self.scenario.score(policy, self.plan.goals + self.plan.robot_goals).returns
        return float(returns[: self.plan.goals].mean()), float(returns[self.plan.goals :].mean())

    def estimate(self, data: Dataset, policies: Sequence[Policy], discount: float, resamples: int = 0) -> Any:
        """Off-policy estimates; half the steps where resamples are fitted too."""
        config, steps = self.scenario.trainer, self.plan.estimate_steps // (2 if resamples else 1)
        return estimate_values(data, policies, config, discount=discount, steps=steps, resamples=resamples)


def rank(study: Study) -> dict[str, Any]:
    """Score -> values of policies of mixed quality, with their truth and what each score cost."""
    plan, data = study.plan, study.data(seed=0)
    policies, runs = [], []
    for steps in plan.steps:
        for alpha in plan.alphas:
            more = study.policies(data, 1000 + len(policies), plan.seeds, steps=steps, alpha=alpha)
            policies += more[0]
            runs += more[2]
    truth = [study.truth(policy)[0] for policy in track(policies, description="truth")]
    scores = {"initial value": [initial_value(p, r, data) for p, r in zip(policies, runs, strict=True)]}
    scores["TD error, low is good"] = [-td_error(run) for run in runs]
    seconds: dict[str, float] = {}
    for discount in plan.discounts:
        began = time.perf_counter()
        scores[f"FQE, discount {discount:g}"] = study.estimate(data, policies, discount).values[:, 0].tolist()
        seconds[f"FQE, discount {discount:g}"] = time.perf_counter() - began
    if data.spec.discrete:
        scores["WIS on the first session"] = [walk_value(study, data, policy) for policy in policies]
    return {"truth": truth, "scores": scores, "seconds": seconds}


def walk_value(study: Study, data: Dataset, policy: Policy) -> float:
    """Weighted importance sampling on the random walk of the first session; NaN where nothing can be said."""
    first = data.behaviour == 0
    actions, episode = data.actions[first], data.episode[first]
    behaviour = random_walk_probability(actions, episode, data.spec.action.size, study.scenario.behaviour.stickiness)
    chosen = np.array([int(policy.act(observation)) for observation in data.observations[first]])
    target = (chosen == actions).astype(float)
    return weighted_importance(target, behaviour, data.rewards[first], episode, study.plan.discounts[0]).value


def deploy(study: Study, seed: int) -> dict[str, Any]:
    """Rule -> true return of what it delivers from the same seeds; and what the gate says of every pair of them."""
    plan, data = study.plan, study.data(seed)
    policies, blobs, _ = study.policies(data, 100 * seed, plan.members, steps=plan.member_steps)
    truth, robot = np.array([study.truth(policy) for policy in policies]).T
    estimates = study.estimate(data, policies, plan.discounts[-1], resamples=6)
    found = {"first": truth[0], "mean of the seeds": truth.mean(), "best in truth": truth.max()}
    found["robot"] = truth[best(robot.tolist())]
    found["estimate"] = truth[best(estimates.values[:, 0].tolist())]
    for rule, combine in COMBINED.items():
        if rule != "vote" or data.spec.discrete:
            one = open_artifact(ensemble(blobs, data.spec, combine), data.spec).policy
            found[rule] = study.truth(one)[0]
    pairs = [
        (
            float(truth[new] - truth[old]),
            not gate(estimates.of(new), estimates.of(old)),
            estimates.gain(new, old).low >= 0,
        )
        for new in range(len(truth))
        for old in range(len(truth))
        if new != old
    ]
    return {"rules": {name: float(value) for name, value in found.items()}, "pairs": pairs}


def rows_of_ranking(env: str, ranking: dict[str, Any]) -> list[Row]:
    """Spearman and regret at 1 of each score, over the policies that it says something of."""
    truth, rows = np.array(ranking["truth"]), []
    for name, values in ranking["scores"].items():
        scores = np.array(values, dtype=float)
        said = np.isfinite(scores)
        what = f"{env}: {name}, {said.sum()} of {len(truth)} policies"
        if said.sum() < 3 or np.ptp(scores[said]) == 0 or np.ptp(truth[said]) == 0:
            rows.append(Row(f"{what}: nothing to rank by", None, "Spearman", "truth", None, None, None, False))
            continue
        loss = regret(np.where(said, scores, -np.inf), truth)
        value = spearman(scores[said], truth[said])
        rows.append(Row(what, round(value, 3), "Spearman", "regret@1", round(loss, 3), None, None, value > 0.5))
    return rows


def rows_of_rules(env: str, repetitions: list[dict[str, Any]]) -> list[Row]:
    """Mean true return of each rule beside that of one seed without any choice, paired by repetition."""
    rules = [one["rules"] for one in repetitions]
    base, rows = np.array([one["mean of the seeds"] for one in rules]), []
    for name in rules[0]:
        values = np.array([one[name] for one in rules])
        gain, low, high = interval((values - base)[:, None], lambda one: float(one.mean()))
        what = f"{env}: deploy {name}, {len(rules)} repetitions"
        against = f"gain over one seed {gain:+.2f} ({low:+.2f} to {high:+.2f})"
        rows.append(Row(what, round(values.mean(), 2), "return", against, round(base.mean(), 2), None, None, low >= 0))
    return rows + rows_of_gate(env, [pair for one in repetitions for pair in one["pairs"]])


def rows_of_gate(env: str, pairs: list[tuple[float, bool, bool]]) -> list[Row]:
    """How often each form of the gate lets a worse policy pass, and withholds a better one."""
    better = np.array([gain for gain, _, _ in pairs]) > 0
    rows = []
    for index, name in ((1, "lower bound below the deployed estimate"), (2, "lower bound of the gain below zero")):
        passed = np.array([pair[index] for pair in pairs])
        worse, good = float(passed[~better].mean()), float(passed[better].mean())
        what = f"{env}: gate, {name}: worse or equal ones that pass"
        rows.append(
            Row(what, round(worse, 3), "share", "better ones that pass", round(good, 3), None, None, good > worse)
        )
    return rows


def draw(results: dict[str, Any], path: Path) -> None:
    """Each score against the truth, and the returns that the rules deliver."""
    columns = max(len(one["ranking"]["scores"]) for one in results.values()) + 1
    figure, axes = plt.subplots(len(results), columns, figsize=(3.4 * columns, 3.4 * len(results)), squeeze=False)
    for line, (env, one) in zip(axes, results.items(), strict=True):
        for ax, (name, values) in zip(line, one["ranking"]["scores"].items(), strict=False):
            ax.scatter(one["ranking"]["truth"], np.array(values, dtype=float), s=14)
            ax.set(title=f"{env}: {name}", xlabel="true return")
        rules = [repetition["rules"] for repetition in one["repetitions"]]
        line[-1].boxplot(
            [[r[name] for r in rules] for name in rules[0]], tick_labels=list(rules[0]), orientation="horizontal"
        )
        line[-1].set(title=f"{env}: what a rule delivers", xlabel="true return")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main(
    env: Annotated[list[str] | None, typer.Option(help="gridworld, panda; both without it")] = None,
    repetitions: Annotated[int, typer.Option(help="runs in which the rules choose")] = 10,
    short: Annotated[bool, typer.Option(help="few policies, two repetitions: whether it runs")] = False,
    again: Annotated[bool, typer.Option(help="only table and picture, from what the JSON files hold")] = False,
) -> None:
    """Rank policies without the robot, and compare the rules that choose what is delivered."""
    torch.set_num_threads(1)
    folder = Path("results")
    folder.mkdir(exist_ok=True)
    results: dict[str, Any] = {}
    for name in env or list(PLANS):
        path = folder / f"{TARGET}-{name}.json"
        if not again:
            study = Study(name, (SHORT if short else PLANS)[name])
            found: dict[str, Any] = {"repetitions": [], "ranking": rank(study)}
            path.write_text(json.dumps(found))
            for seed in track(range(1, 1 + (2 if short else repetitions)), description=f"{name}: rules"):
                found["repetitions"].append(deploy(study, seed))
                path.write_text(json.dumps(found))
        results[name] = json.loads(path.read_text())
    rows = [row for name, one in results.items() for row in rows_of_ranking(name, one["ranking"])]
    rows += [row for name, one in results.items() for row in rows_of_rules(name, one["repetitions"])]
    report(TARGET, rows)
    draw(results, folder / f"{TARGET}.png")


if __name__ == "__main__":
    typer.run(main)
