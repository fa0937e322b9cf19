"""The turn procedure: session, training, delivery, evaluation, and again.

The director walks it over ROS; a study can walk it in process. What is finished is read from the run directory, so a
run resumes where it stood.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from turn_rl_ros.core.config import param
from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.files import replace_file


@dataclass(frozen=True)
class TurnsConfig:
    """Parameters of the director."""

    run_dir: str = param("runs/latest", "run directory, shared with collector and trainer")
    env: str = param("panda", "name of the environment, for summary.json and the report")
    turns: int = param(6, "turns to walk: each one session and one training", low=1, high=100000)
    window_s: float = param(60.0, "robot time of the first session", unit="s", low=0.05, high=86400.0)
    window_growth: float = param(
        1.0, "each window is so many times as long as the one before; 1: all the same", low=0.1, high=10.0
    )
    train: bool = param(True, "train after each session; without it the deployed policy stays")
    evaluate_goals: int = param(
        100, "held-out goals on which each policy is scored in the simulator (0: no simulator here)", low=0, high=100000
    )
    evaluate_seed: int = param(12345, "seed of the held-out goals, apart from every session's", low=0, high=2**31 - 1)

    def window_of(self, turn: int) -> float:
        """Robot time of the session of `turn`, in seconds."""
        return self.window_s * self.window_growth**turn


@dataclass(frozen=True)
class Session:
    """What a session came to."""

    robot_seconds: float
    transitions: int


@dataclass(frozen=True)
class Score:
    """A policy on the held-out goals."""

    success_rate: float
    mean_return: float


class Crew(Protocol):
    """Those who do the work of a turn. Every method blocks until it is done, or raises TurnRlError."""

    def recorded(self, turn: int) -> Session:
        """What the sealed sessions of `turn` hold already; zeros when there are none."""
        ...

    def run_session(self, turn: int, window_s: float) -> None:
        """Open a window of `window_s` of robot time and see it closed and sealed."""
        ...

    def has_policy(self, turn: int) -> bool:
        """Whether the policy that acts in `turn` exists."""
        ...

    def train(self, turn: int) -> float:
        """Train on everything recorded and deliver the policy for `turn`; gives the seconds it took."""
        ...

    def evaluate(self, turn: int) -> Score | None:
        """Score the policy that acts in `turn` (0: random behaviour); None where there is no simulator."""
        ...


def walk(config: TurnsConfig, crew: Crew, now_s: Callable[[], float], say: Callable[[str], None]) -> dict[str, Any]:
    """Walk the turns and keep `summary.json` true after each.

    Args:
        config: how many turns, how long.
        crew: who does the work.
        now_s: a monotonic clock, for the wall time of each turn.
        say: takes one line for the user.

    Returns:
        The summary, as written.
    """
    path = Path(config.run_dir).expanduser() / "summary.json"
    summary = read_summary(path)
    if summary.get("env") not in (None, config.env):
        raise TurnRlError(f"{path} is a run of env {summary['env']!r}, not {config.env!r}; choose another run_dir")
    summary["env"] = config.env
    summary.setdefault("turns", [])
    if "random" not in summary:
        summary["random"] = _score(crew.evaluate(0))
        write_summary(path, summary)
    for turn in range(len(summary["turns"]), config.turns):
        started = now_s()
        session = _session(turn, config, crew, say)
        train_seconds = _train(turn + 1, crew, say) if config.train else 0.0
        deployed = summary["turns"][-1] if summary["turns"] else summary["random"]
        score = _score(crew.evaluate(turn + 1)) if crew.has_policy(turn + 1) else {k: deployed[k] for k in _score(None)}
        entry: dict[str, Any] = {"turn": turn, **asdict(session), **score, "train_seconds": train_seconds}
        entry["wall_seconds"] = round(now_s() - started, 3)
        summary["turns"].append(entry)
        write_summary(path, summary)
        say(describe(entry))
    return summary


def _session(turn: int, config: TurnsConfig, crew: Crew, say: Callable[[str], None]) -> Session:
    """The turn's session, or what is left of its window when an earlier start was cut short."""
    done = crew.recorded(turn)
    window_s = config.window_of(turn)
    left_s = window_s - done.robot_seconds
    # Less than a hundredth of the window is the rounding of a full one.
    if left_s > 0.01 * window_s:
        if done.transitions:
            say(f"turn {turn}: {done.robot_seconds:.1f} s were recorded before, {left_s:.1f} s of the window are left")
        crew.run_session(turn, left_s)
        done = crew.recorded(turn)
    return done


def _train(turn: int, crew: Crew, say: Callable[[str], None]) -> float:
    """The policy for `turn`; when training fails the deployed one goes on acting, and the user is told."""
    if crew.has_policy(turn):
        return 0.0
    try:
        return round(crew.train(turn), 3)
    except TurnRlError as error:
        say(f"turn {turn - 1}: no new policy, the deployed one stays: {error}")
        return 0.0


def _score(score: Score | None) -> dict[str, float | None]:
    return asdict(score) if score else {"success_rate": None, "mean_return": None}


def describe(entry: dict[str, Any]) -> str:
    """One line on a finished turn."""
    success = (
        "not scored"
        if entry["success_rate"] is None
        else f"success {entry['success_rate']:.2f}, return {entry['mean_return']:.2f}"
    )
    return (
        f"turn {entry['turn']}: {entry['transitions']} transitions in {entry['robot_seconds']:.1f} robot-seconds, "
        f"trained {entry['train_seconds']:.0f} s, {success}"
    )


def read_summary(path: Path) -> dict[str, Any]:
    """The summary of a run; empty when there is none yet. Raises TurnRlError when it cannot be read."""
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise TurnRlError(f"{path} cannot be read ({error}); mend it or choose another run_dir") from error
    return summary


def write_summary(path: Path, summary: dict[str, Any]) -> None:
    """Replace the summary atomically. Raises TurnRlError when the disk refuses."""
    try:
        replace_file(path, json.dumps(summary, indent=2).encode())
    except OSError as error:
        raise TurnRlError(f"cannot write {path}: {error.strerror}; make room, then start again to resume") from error
