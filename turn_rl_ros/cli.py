"""`turn-rl`: run a simulated demo, report on a run, score a policy."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from turn_rl_ros.commands.app import INTERRUPTED, make_app
from turn_rl_ros.commands.bag import app as bag_app
from turn_rl_ros.commands.data import app as data_app
from turn_rl_ros.commands.policy import app as policy_app
from turn_rl_ros.commands.study import app as study_app
from turn_rl_ros.commands.train import train
from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.scenario import SCENARIOS

# What a command needs (rclpy, the simulator, matplotlib) is imported when it runs, so that `turn-rl report` works
# where there is no ROS and `--help` answers at once.

app = make_app()
app.add_typer(data_app, name="data")
app.add_typer(bag_app, name="bag")
app.add_typer(policy_app, name="policy")
app.add_typer(study_app, name="study")
app.command()(train)

ENVS = f"Environment: {', '.join(SCENARIOS)}."
AS_IN_FILE = "Without it, as in the scenario file."
ParamsFile = Annotated[
    Path | None, typer.Option("--params-file", help="ROS parameter file instead of the environment's own in config/.")
]


@app.callback()
def about() -> None:
    """Learn a robot-arm policy in turns: record a short session, train offline, deliver, repeat.

    Start with:

        turn-rl demo                  six turns of a simulated arm

        turn-rl report runs/demo      the run as one HTML page

        turn-rl evaluate runs/demo    its policy on unseen goals
    """


@app.command()
def demo(
    env: Annotated[str, typer.Option(help=ENVS, metavar="NAME")] = "panda",
    turns: Annotated[int | None, typer.Option(help=f"Turns to walk. {AS_IN_FILE}", min=1)] = None,
    window: Annotated[float | None, typer.Option(help=f"Robot time of each session, seconds. {AS_IN_FILE}")] = None,
    seed: Annotated[
        int | None, typer.Option(help=f"Seed of goals, exploration and training. {AS_IN_FILE}", min=0)
    ] = None,
    run_dir: Annotated[Path, typer.Option(help="Where sessions, policies and the report go.")] = Path("runs/demo"),
    params_file: ParamsFile = None,
) -> None:
    """Walk the turns with a simulated arm, over real ROS 2 topics, all nodes in this process.

    Ctrl-C at any moment leaves a sealed session; the same command then resumes the run.

    For example:

        turn-rl demo

        turn-rl demo --env gridworld --run-dir runs/grid

        turn-rl demo --turns 3 --window 30 --seed 7 --run-dir runs/short
    """
    from turn_rl_ros.core.turns import read_summary

    console = Console()
    try:
        from turn_rl_ros.nodes.demo import DemoOptions, run_demo, table_of
    except ImportError as error:
        raise TurnRlError(f"the demo needs ROS 2 and PyTorch ({error}); `make demo` sets them up") from error
    finished = run_demo(DemoOptions(env, turns, window, seed, run_dir, params_file), console)
    summary = read_summary(run_dir / "summary.json")
    if summary.get("turns"):
        console.print(table_of(summary))
        report(run_dir)
    if not finished:
        raise typer.Exit(INTERRUPTED)


@app.command()
def report(run: Annotated[Path, typer.Argument(help="Run directory, such as runs/demo.", metavar="RUN")]) -> None:
    """Write RUN/report/index.html: one page with every figure inside, and each figure as PNG beside it.

    Works at any moment of a run, also while it is under way or after it was cut; the page says what is missing.

    For example:

        turn-rl report runs/demo
    """
    from turn_rl_ros.report.html import write_report

    with Console(stderr=True).status("drawing the report"):
        page = write_report(run)
    Console(soft_wrap=True).print(f"report: {escape(str(page))}", highlight=False)


@app.command()
def evaluate(
    target: Annotated[
        Path, typer.Argument(help="Run directory (its newest policy), or one policy file.", metavar="RUN_OR_POLICY")
    ],
    goals: Annotated[int, typer.Option(help="Held-out goals, one episode each.", min=1)] = 100,
    seed: Annotated[
        int, typer.Option(help="Seed of the goals; the default is the one of a run's own scores.", min=0)
    ] = 12345,
    env: Annotated[str | None, typer.Option(help=ENVS, metavar="NAME")] = None,
    params_file: ParamsFile = None,
) -> None:
    """Score a policy in the simulator, without exploration, on goals that no session used.

    The task comes from the run that the policy lies in, unless --env or --params-file say otherwise; a policy for
    another task is refused.

    For example:

        turn-rl evaluate runs/demo

        turn-rl evaluate runs/demo/policies/turn-003-*.safetensors --goals 500 --seed 1
    """
    from turn_rl_ros.report.score import score

    score(target, goals, seed, env, params_file, Console())


def main() -> None:
    """Console entry `turn-rl`."""
    app()


if __name__ == "__main__":
    main()
