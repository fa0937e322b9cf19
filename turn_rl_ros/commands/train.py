"""`turn-rl train`: learn offline from recorded sessions, without a robot and without ROS."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.scenario import SCENARIOS, scenario_file

SHOWN = ("td_error", "gap", "q_data", "q_policy", "alpha")


def train(
    dataset: Annotated[Path, typer.Argument(help="Run directory, or a directory of session files.", metavar="DATASET")],
    algo: Annotated[str | None, typer.Option(help="Algorithm; `--algo help` lists them.", metavar="NAME")] = None,
    seeds: Annotated[int | None, typer.Option(help="Runs that differ in their random numbers alone.", min=1)] = None,
    steps: Annotated[int | None, typer.Option(help="Gradient steps.", min=1)] = None,
    deploy: Annotated[str | None, typer.Option(help="How to choose among the seeds.", metavar="RULE")] = None,
    seed: Annotated[int, typer.Option(help="The first seed.", min=0)] = 0,
    change: Annotated[
        list[str] | None, typer.Option("--set", help="Any other trainer parameter.", metavar="NAME=VALUE")
    ] = None,
    env: Annotated[str | None, typer.Option(help=f"Settings of: {', '.join(SCENARIOS)}.", metavar="NAME")] = None,
    params_file: Annotated[Path | None, typer.Option(help="Settings of this ROS parameter file.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where the policy goes. Without it: DATASET/training/ALGO.")] = None,
) -> None:
    """Train a policy on everything recorded, as the trainer node does between two sessions.

    Settings come from --params-file or --env, or else from the run's own scenario; where there is none of these,
    they are the ones of the algorithm's paper. Ctrl-C or a kill loses little: the same command goes on where it stood.

    For example:

        turn-rl train runs/demo

        turn-rl train runs/demo --algo iql --seeds 5 --deploy estimate

        turn-rl train runs/demo --seeds 5 --deploy robot      # here: the best seed in the simulator

        turn-rl train runs/demo --set cql.alpha=0.1 --set steps=20000 --out /tmp/conservative
    """
    from turn_rl_ros.core.artifact import open_artifact
    from turn_rl_ros.core.evaluation import evaluate_policy
    from turn_rl_ros.core.turns import TurnsConfig
    from turn_rl_ros.data.dataset import load_dataset
    from turn_rl_ros.learn.job import run_job
    from turn_rl_ros.learn.settings import parse_changes, read_settings

    if algo == "help":
        Console().print(algorithms())
        return
    sessions = dataset / "sessions" if (dataset / "sessions").is_dir() else dataset
    if not sessions.is_dir():
        raise TurnRlError(f"{dataset} is not a directory; give a run directory or one with session files")
    data = load_dataset(sessions)
    given = {"algorithm": algo, "seeds": seeds, "steps": steps, "deploy": deploy}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    scenario = find_scenario(dataset, env, params_file)
    settings = read_settings(scenario, data.spec.discrete, changes | parse_changes(change or []))
    folder = out or dataset / "training" / settings.learning.algorithm
    console = Console(soft_wrap=True)
    console.print(
        f"{len(data)} transitions, {settings.learning.algorithm}, {settings.learning.seeds} seed(s), settings of "
        f"{scenario or 'the paper'}",
        highlight=False,
    )
    turn = max((int(info.facts["turn"]) for info in data.sessions), default=0) + 1
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        TextColumn("{task.fields[metrics]}"), console=Console(stderr=True),
    )  # fmt: skip

    def robot_return(blob: bytes) -> float:
        """In the simulator, on the held-out goals by which a run's own policies are scored."""
        policy, scoring = open_artifact(blob, data.spec).policy, TurnsConfig()
        return evaluate_policy(data.spec, policy, scoring.evaluate_goals, scoring.evaluate_seed).mean_return

    with bar:
        job = bar.add_task("training", total=settings.learning.steps, metrics="")

        def tell(step: int, steps: int, metrics: Any) -> None:
            shown = "  ".join(f"{name} {metrics[name]:.3g}" for name in SHOWN if name in metrics)
            what = "training" if metrics else "estimating"
            bar.update(job, completed=step, total=steps, metrics=shown, description=what)

        decision = run_job(data, settings, folder, turn=turn, seed=seed, robot_return=robot_return, progress=tell)
    policy = folder / "policy.safetensors"
    policy.write_bytes(decision.chosen)
    console.print(f"{decision.story['why']}\npolicy: {policy}", highlight=False)
    if sys.stdout.isatty():
        console.print(f"score it: turn-rl evaluate {policy} {f'--params-file {scenario}' if scenario else ''}")


def find_scenario(dataset: Path, env: str | None, params_file: Path | None) -> Path | None:
    """The parameter file whose settings apply; None when there is none. Raises TurnRlError."""
    if params_file is not None:
        return params_file
    if env is not None:
        if env not in SCENARIOS:
            raise TurnRlError(f"env = {env!r}; known: {', '.join(SCENARIOS)}")
        return scenario_file(env)
    places = (folder / "scenario.yaml" for folder in (dataset, dataset.parent))
    return next((place for place in places if place.is_file()), None)


def algorithms() -> Table:
    """Every algorithm, what it is for, and its own parameters."""
    from dataclasses import fields

    from turn_rl_ros.learn.algorithms import ALGORITHMS

    table = Table("algorithm", "actions", "what", "its own parameters")
    for one in ALGORITHMS.values():
        what = (sys.modules[one.__module__].__doc__ or "").splitlines()[0]
        own = ", ".join(f"{item.name} {item.default}" for item in fields(one.Config))
        table.add_row(one.name, "discrete" if one.discrete else "continuous", what, own)
    return table
