"""The report: figures and facts of a run in one HTML file that needs nothing beside it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.evaluation import Evaluation
from turn_rl_ros.core.turns import TurnsConfig
from turn_rl_ros.report.accounts import accounts_picture
from turn_rl_ros.report.bounds import Best, best_known
from turn_rl_ros.report.choices import choices
from turn_rl_ros.report.coverage import coverage_picture
from turn_rl_ros.report.deployed import deployed_story
from turn_rl_ros.report.distance import distance_picture
from turn_rl_ros.report.learning import learning_picture, success_interval
from turn_rl_ros.report.page import render_page
from turn_rl_ros.report.run import Run, Turn, read_run
from turn_rl_ros.report.style import Picture
from turn_rl_ros.report.visits import visits_picture
from turn_rl_ros.report.wear import wear_of

DIRECTORY = "report"
PAGE = "index.html"


@dataclass(frozen=True)
class Row:
    """A line of the per-turn table, as text; an empty string is what nobody measured."""

    turn: str
    minutes: str
    transitions: str
    changed: str
    dropped: str
    success: str
    interval: str
    mean_return: str
    training: str
    wall: str
    stop: str


def write_report(run_dir: Path) -> Path:
    """Write RUN/report/index.html, and each figure beside it as PNG, from whatever the run holds.

    Returns:
        The path of the page.

    Raises:
        TurnRlError: no such run, no sealed session in it, or the report cannot be written.
    """
    run = read_run(run_dir)
    goals, seed = _held_out(run)
    best, why_not = best_known(run.spec, goals, seed)
    if why_not:
        run.missing.append(why_not)
    pictures = [(picture, picture.png()) for picture in draw(run, best)]
    page = render(run, best, pictures)
    target = run_dir / DIRECTORY
    try:
        target.mkdir(exist_ok=True)
        for picture, png in pictures:
            (target / f"{picture.name}.png").write_bytes(png)
        (target / PAGE).write_text(page, encoding="utf-8")
    except OSError as error:
        raise TurnRlError(f"the report cannot be written to {target} ({error.strerror})") from error
    return target / PAGE


def draw(run: Run, best: Best | None) -> list[Picture]:
    """Every figure that this run has the data for, in the order of the page."""
    coverage = visits_picture(run) if run.spec.task == "gridworld" else coverage_picture(run)
    pictures = (learning_picture(run, best), distance_picture(run), coverage, accounts_picture(run))
    return [picture for picture in pictures if picture is not None]


def render(run: Run, best: Best | None, pictures: list[tuple[Picture, bytes]]) -> str:
    """The page as text; each picture comes with its PNG."""
    return render_page(
        "report.html.j2",
        pictures,
        run=run,
        rows=[_row(run, turn) for turn in run.turns],
        tiles=_tiles(run, best),
        choices=choices(run.path),
        goals=_held_out(run)[0],
        headline=_headline(run, best),
        success_means=_success_means(run),
        story=deployed_story(run.path),
        wear=wear_of(run),
    )


def _held_out(run: Run) -> tuple[int, int]:
    """Number and seed of the held-out goals that the evaluations used, or the usual ones."""
    for evaluation in run.evaluations.values():
        return len(evaluation.returns), evaluation.seed
    return TurnsConfig().evaluate_goals, TurnsConfig().evaluate_seed


def _scored(run: Run) -> list[tuple[Turn, float]]:
    """The turns whose policy was scored, with the robot-minutes spent by then."""
    pairs = zip(run.turns, run.minutes.tolist(), strict=True)
    return [(turn, minutes) for turn, minutes in pairs if turn.success_rate is not None]


def _headline(run: Run, best: Best | None) -> str:
    scored = _scored(run)
    if not scored:
        return f"Not scored yet, after {run.minutes[-1]:.1f} robot-minutes"
    turn, minutes = scored[-1]
    if run.spec.task == "gridworld" and best and turn.mean_return is not None:
        return f"{100 * turn.mean_return / best.mean_return:.0f} % of the best return after {minutes:.1f} robot-minutes"
    return f"{100 * (turn.success_rate or 0.0):.0f} % success after {minutes:.1f} robot-minutes"


def _success_means(run: Run) -> str:
    if run.spec.task == "gridworld":
        return "The episode ends in the cell that pays."
    radius_m = run.spec.details["success_radius_m"]
    return f"The end effector is within {100 * radius_m:.0f} cm of the goal when the episode ends."


def _tiles(run: Run, best: Best | None) -> list[dict[str, str]]:
    """The figures that answer the first question: how good, after how much robot time, against what."""
    scored, random = _scored(run), run.evaluations.get(0)
    last = scored[-1][0] if scored else None
    spent = scored[-1][1] if scored else float(run.minutes[-1])
    rows = sum(turn.transitions for turn in run.turns if turn.turn <= (last or run.turns[-1]).turn)
    return [
        _tile("last policy", last),
        {"label": "robot time", "value": f"{spent:.1f} min", "note": f"{rows} transitions"},
        _tile("random policy", random),
        _tile("best known", best),
    ]


def _tile(label: str, score: Turn | Evaluation | Best | None) -> dict[str, str]:
    if score is None or score.success_rate is None:
        return {"label": label, "value": "–", "note": "not scored"}
    note = f"return {score.mean_return:.2f}"
    return {"label": f"success, {label}", "value": f"{score.success_rate:.2f}", "note": note}


def _row(run: Run, turn: Turn) -> Row:
    own = run.of_turn(turn.turn)
    rows = sum(session.info.rows for session in own)
    changed = int((run.column(turn.turn, "intervention") != 0).sum()) if own else 0
    score, evaluation = turn.success_rate, run.evaluations.get(turn.turn + 1)
    bounds = success_interval(score, evaluation.returns) if score is not None and evaluation else None
    minutes = dict(zip((one.turn for one in run.turns), run.minutes, strict=True))[turn.turn]
    return Row(
        turn=str(turn.turn),
        minutes=f"{minutes:.2f}",
        transitions=f"{turn.transitions}",
        changed=f"{100 * changed / rows:.1f} %" if rows else "",
        dropped=str(sum(run.count(turn.turn, "drops").values())) if own else "",
        success="" if score is None else f"{score:.2f}",
        interval=f"{bounds[0]:.2f} to {bounds[1]:.2f}" if bounds else "",
        mean_return="" if turn.mean_return is None else f"{turn.mean_return:.2f}",
        training="" if turn.train_seconds is None else f"{turn.train_seconds:.1f}",
        wall="" if turn.wall_seconds is None else f"{turn.wall_seconds:.1f}",
        stop=", ".join(_stop(session.info.facts) for session in own),
    )


def _stop(facts: Any) -> str:
    return str(facts["stop_reason"] or "unknown") + (" (recovered)" if facts["recovered"] else "")
