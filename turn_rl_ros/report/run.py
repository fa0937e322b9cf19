"""A run directory as the report reads it: whatever is there, and a plain word on whatever is not."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.evaluation import Evaluation
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.turns import read_summary
from turn_rl_ros.data.errors import DatasetError
from turn_rl_ros.data.manifest import sealed_files
from turn_rl_ros.data.sealed import SessionInfo, read_info, read_rows


@dataclass(frozen=True)
class Turn:
    """One turn as `summary.json` has it; None is what nobody measured. The scores are of the policy trained in it."""

    turn: int
    robot_seconds: float
    transitions: int
    success_rate: float | None = None
    mean_return: float | None = None
    train_seconds: float | None = None
    wall_seconds: float | None = None


@dataclass(frozen=True)
class Session:
    """One sealed session file."""

    info: SessionInfo
    rows: NDArray
    """Records of `data.schema.row_dtype`."""

    @property
    def turn(self) -> int:
        """The turn it belongs to; -1 when it does not say."""
        return int(self.info.facts["turn"])


@dataclass(frozen=True)
class Run:
    """Everything that the report draws from."""

    path: Path
    env: str
    spec: TaskSpec
    turns: Sequence[Turn]
    evaluations: dict[int, Evaluation]
    """By the turn in which the policy acts: 0 is random motion, k + 1 is what turn k trained."""
    sessions: Sequence[Session]
    missing: list[str] = field(default_factory=list)
    """Sentences for the reader."""

    @property
    def minutes(self) -> NDArray[np.float64]:
        """Robot time spent at the end of each turn, (n_turns,) minutes."""
        return np.cumsum([turn.robot_seconds for turn in self.turns]) / 60.0

    def of_turn(self, turn: int) -> list[Session]:
        """The sessions of a turn; more than one when its window was interrupted."""
        return [session for session in self.sessions if session.turn == turn]

    def session_turns(self) -> list[int]:
        """The turns that have a session."""
        return sorted({session.turn for session in self.sessions})

    def count(self, turn: int, fact: str) -> Counter[str]:
        """Sum of a dictionary of counts, such as `drops`, over the sessions of a turn."""
        total: Counter[str] = Counter()
        for session in self.of_turn(turn):
            total.update(session.info.facts[fact])
        return total

    def column(self, turn: int, name: str) -> NDArray:
        """A column over all sessions of a turn, (n, ...)."""
        return np.concatenate([session.rows[name] for session in self.of_turn(turn)])


def read_run(path: Path) -> Run:
    """Read what a run left, whether it ended or was cut.

    Raises:
        TurnRlError: the directory is not there, or holds no sealed session.
    """
    if not path.is_dir():
        raise TurnRlError(f"{path} is not a run directory; `turn-rl demo --run-dir {path}` makes one")
    missing: list[str] = []
    sessions = _sessions(path, missing)
    if not sessions:
        said = f": {missing[0]}" if missing else ""
        raise TurnRlError(f"{path} holds no readable sealed session (sessions/*.h5){said}")
    evaluations = _evaluations(path, missing)
    summary = _summary(path, missing)
    turns = _turns(summary, sessions, evaluations, missing)
    spec = sessions[-1].info.spec
    return Run(path, str(summary.get("env", spec.task)), spec, turns, evaluations, sessions, missing)


def _summary(path: Path, missing: list[str]) -> dict[str, Any]:
    try:
        summary = read_summary(path / "summary.json")
    except TurnRlError as error:
        missing.append(f"{error}. The turns below are put together from the sessions.")
        return {}
    if not summary:
        missing.append("There is no summary.json yet. The turns below are put together from the sessions.")
    return summary


def _sessions(path: Path, missing: list[str]) -> list[Session]:
    found = []
    for file in sealed_files(path / "sessions"):
        try:
            info = read_info(file)
            found.append(Session(info, read_rows(info)))
        except DatasetError as error:
            missing.append(f"A session file is left out: {error}.")
    same = [session for session in found if session.info.spec.fingerprint() == found[-1].info.spec.fingerprint()]
    missing.extend(f"{s.info.path.name} was recorded for another task and is left out." for s in found if s not in same)
    missing.extend(
        f"{part.name} is not sealed: its rows are not shown. `turn-rl data recover {part.parent}` seals it."
        for part in sorted((path / "sessions").glob("*.part"))
    )
    return sorted(same, key=lambda session: (session.turn, session.info.path.name))


def _evaluations(path: Path, missing: list[str]) -> dict[int, Evaluation]:
    found = {}
    for file in sorted((path / "evaluations").glob("turn-*.json")):
        try:
            found[int(file.stem.removeprefix("turn-"))] = Evaluation.from_json(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, KeyError, TypeError) as error:
            missing.append(f"The evaluation {file.name} cannot be read ({error}).")
    return found


def _turns(
    summary: dict[str, Any], sessions: list[Session], evaluations: dict[int, Evaluation], missing: list[str]
) -> list[Turn]:
    """The summary's turns, then those that only left a session behind."""
    names = Turn.__dataclass_fields__
    turns = [Turn(**{k: v for k, v in entry.items() if k in names}) for entry in summary.get("turns", [])]
    known = {turn.turn for turn in turns}
    for number in sorted({session.turn for session in sessions} - known):
        own = [session for session in sessions if session.turn == number]
        seconds = sum(float(np.nan_to_num(session.info.facts["window_used_s"])) for session in own)
        score = evaluations.get(number + 1)
        scores = (score.success_rate, score.mean_return) if score else (None, None)
        turns.append(Turn(number, seconds, sum(session.info.rows for session in own), *scores))
        if summary:
            missing.append(f"Turn {number} has a session but did not end: it is not in summary.json.")
    turns.sort(key=lambda turn: turn.turn)
    if 0 not in evaluations:
        missing.append("Random motion was not evaluated (evaluations/turn-000.json): the lower bound is missing.")
    unscored = [turn.turn for turn in turns if turn.success_rate is None]
    missing.extend(f"The policy of turn {number} was not evaluated: its scores are missing." for number in unscored)
    recorded = {session.turn for session in sessions}
    missing.extend(f"The session of turn {t.turn} is not among the files." for t in turns if t.turn not in recorded)
    return turns
