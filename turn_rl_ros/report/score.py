"""`turn-rl evaluate`: a policy on held-out goals, with a progress bar and a table."""

from math import sqrt
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from turn_rl_ros.core.artifact import Artifact
from turn_rl_ros.core.evaluation import Evaluation, evaluate_policy
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.report.learning import success_interval
from turn_rl_ros.report.target import find_policy, find_spec, read_policy


def score(
    target: Path, goals: int, seed: int, env: str | None, params_file: Path | None, console: Console
) -> Evaluation:
    """Score what `target` means and print the table.

    Raises:
        TurnRlError: there is no policy, it is not for the task, or the simulator cannot be imported.
    """
    path = find_policy(target)
    spec = find_spec(path, env, params_file)
    artifact = read_policy(path, spec)
    bar = Progress(
        TextColumn("goals"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console, transient=True
    )
    with bar:
        job = bar.add_task("goals", total=goals)
        evaluation = evaluate_policy(
            spec, artifact.policy, goals, seed, lambda done, _: bar.update(job, completed=done)
        )
    console.print(table_of(evaluation, artifact, spec, path, seed))
    return evaluation


def table_of(evaluation: Evaluation, artifact: Artifact, spec: TaskSpec, path: Path, seed: int) -> Table:
    """The scores, with 95 % intervals over the goals."""
    count = len(evaluation.returns)
    bounds = success_interval(evaluation.success_rate, evaluation.returns)
    success, mean = f"[bold]{evaluation.success_rate:.2f}[/]", f"{evaluation.mean_return:.2f}"
    if bounds:
        success += f"  (95 %: {bounds[0]:.2f} to {bounds[1]:.2f})"
        mean += f"  (95 %: ± {1.96 * float(evaluation.returns.std(ddof=1)) / sqrt(count):.2f})"
    near, middle, far = (100 * d for d in np.quantile(evaluation.final_distances, (0.25, 0.5, 0.75)))
    table = Table(title=escape(path.name), show_header=False)
    table.add_column(style="dim")
    table.add_column()
    table.add_row("task", f"{spec.task} ({spec.robot}), {spec.fingerprint()[:12]}")
    table.add_row("policy", escape(f"turn {artifact.turn}, {artifact.metadata.get('algorithm', 'unknown')}"))
    table.add_row("goals", f"{count}, seed {seed}")
    table.add_row("success rate", success)
    table.add_row("mean return", mean)
    table.add_row("final distance", f"median {middle:.1f} cm, quartiles {near:.1f} and {far:.1f} cm")
    return table
