"""Robot-minutes on the arm: the scenario's settings, and each lever changed alone, over several seeds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from turn_rl_ros.core.errors import ConfigError, TurnRlError
from turn_rl_ros.core.files import replace_file
from turn_rl_ros.core.scenario import scenario_file
from turn_rl_ros.report.reach import minutes_picture
from turn_rl_ros.study.crew import read_plan
from turn_rl_ros.study.measure import Line, measure
from turn_rl_ros.study.stats import interval
from turn_rl_ros.study.table import Row, report

TARGET = "study-reach"
ONE = {"trainer.seeds": 1, "trainer.deploy": "first"}
FIVE = {
    "trainer.seeds": 5,
    "trainer.deploy": "average",
    "trainer.width": 64,
    "trainer.batch_size": 64,
    "trainer.steps": 3000,
    "trainer.discount": 0.7,
    "trainer.by_hand": False,
}
"""Five small policies, averaged: what docs/study-reach.md found, and may become the defaults."""

LEVERS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "five small policies": FIVE,
    "five, discount 0.9": {**FIVE, "trainer.discount": 0.9},
    "five, more policy alone": {**FIVE, "executor.behaviour.policy_share": 0.5},
    "five, 2 cm": {**FIVE, "task.success_radius_m": 0.02, "director.turns": 6},
    "no hindsight": {"trainer.hindsight_share": 0.0},
    "no new goals": {"trainer.resample_share": 0.0},
    "alpha 0": {"trainer.cql.alpha": 0.0},
    "alpha 0.1": {"trainer.cql.alpha": 0.1},
    "alpha adaptive": {"trainer.cql.alpha_rule": "adaptive"},
    "policy alone acts": {"executor.behaviour.random_share": 0.0, "executor.behaviour.policy_share": 1.0},
    "random acts": {"executor.behaviour.random_share": 1.0, "executor.behaviour.policy_share": 0.0},
    "home every 5 episodes": {"executor.home_every": 5},
    "6 turns of 30 s": {"director.turns": 6, "director.window_s": 30.0},
    "1 turn of 180 s": {"director.turns": 1, "director.window_s": 180.0},
    "2 cm": {"task.success_radius_m": 0.02, "director.turns": 6},
    "end effector": {"director.turns": 1},
}
"""Name -> what differs from the scenario file, as `study.crew.read_plan` takes it."""
ENVS = {"end effector": "panda_ee"}
"""Lever -> scenario, where it is not `panda`."""
GOALS = {"defaults": 3.0, "five small policies": 3.0, "2 cm": 6.0, "five, 2 cm": 6.0, "end effector": 1.0}
"""Lever -> robot-minutes within which the mean over the seeds should be at `LEVEL`."""
LEVEL, KEPT = 0.95, 0.9
"""The success that is wanted, and what no later turn of a run may fall below."""
SHOWN = 8
"""How many curves the plot has colours for."""
TURNS = {"director.turns": 3, "director.evaluate_goals": 200}
SHORT = {"director.turns": 2, "director.window_s": 4.0, "director.evaluate_goals": 2, "trainer.steps": 10, **ONE}

Array = NDArray[np.float64]


def study(names: Sequence[str], seeds: Sequence[int], out: Path, short: bool, console: Console) -> list[Line]:
    """Measure what `out` does not hold yet, then print the table and write figures and goals.

    Raises:
        TurnRlError: no such lever, no simulator, or the disk refuses.
    """
    unknown = [name for name in names if name not in LEVERS]
    if unknown:
        raise ConfigError(f"no lever {', '.join(unknown)}; known: {', '.join(LEVERS)}")
    if short:
        names, seeds = names[:2], seeds[:2]
    target = f"{TARGET}-short" if short else TARGET
    plans = {
        name: read_plan(scenario_file(ENVS.get(name, "panda")), {**TURNS, **LEVERS[name], **(SHORT if short else {})})
        for name in names
    }
    lines = measure(plans, seeds, out / f"{target}.jsonl", console)
    console.print(table(lines))
    shown = {name: (curves(lines, name, "robot_minutes")[0], curves(lines, name)) for name in names[:SHOWN]}
    try:
        report(target, verdict(lines), out)
        replace_file(out / f"{target}.png", minutes_picture(shown, LEVEL).png())
    except OSError as error:
        raise TurnRlError(f"cannot write into {out}: {error.strerror}; choose another --out") from error
    return lines


def curves(lines: Sequence[Line], lever: str, what: str = "success") -> Array:
    """A figure of each turn's outcome, (seeds, turns)."""
    return np.array([[one[what] for one in line["outcomes"]] for line in lines if line["case"] == lever])


def travel(lines: Sequence[Line], lever: str) -> float:
    """Joint travel for each goal that the sessions reached, rad; infinite where none was."""
    worn = [one["wear"] for line in lines if line["case"] == lever for one in line["outcomes"]]
    successes = sum(one["successes"] for one in worn)
    return sum(one["travel"] for one in worn) / successes if successes else float("inf")


def table(lines: Sequence[Line]) -> Table:
    """Each lever: mean success after each turn, the interquartile mean over seeds and turns, and the wear."""
    shown = Table(title=TARGET)
    for column in ("lever", "seeds", "success after robot-minutes", "IQM over turns, 95 %", "rad a success"):
        shown.add_column(column, justify="left" if column == "lever" else "right")
    for name in dict.fromkeys(line["case"] for line in lines):
        found, minutes = curves(lines, name), curves(lines, name, "robot_minutes")[0]
        value, low, high = interval(found)
        means = "  ".join(f"{m:.2g}: {one:.3f}" for m, one in zip(minutes, found.mean(axis=0), strict=True))
        row = (means, f"{value:.3f} ({low:.3f} to {high:.3f})", f"{travel(lines, name):.1f}")
        shown.add_row(name, str(len(found)), *row)
    return shown


def verdict(lines: Sequence[Line]) -> list[Row]:
    """Each goal that was measured: mean success within its robot-minutes, and the worst of any turn from there on."""
    rows = []
    for name, within in GOALS.items():
        if not any(line["case"] == name for line in lines):
            continue
        found, minutes = curves(lines, name), curves(lines, name, "robot_minutes")[0]
        until, after = found[:, minutes <= within + 0.01], found[:, minutes >= within - 0.01]
        best = round(float(until.mean(axis=0).max()), 3)
        what = f"{name}: success within {within:g} robot-minutes, mean of {len(found)} seeds"
        rows.append(Row(what, best, "share", "goal", LEVEL, round(best / LEVEL, 3), 1.0, best >= LEVEL))
        if after.size:
            worst = round(float(after.min()), 3)
            what = f"{name}: least success of a seed from there on"
            rows.append(Row(what, worst, "share", "goal", KEPT, round(worst / KEPT, 3), 1.0, worst >= KEPT))
    return rows
