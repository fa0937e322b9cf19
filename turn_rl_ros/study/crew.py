"""Turns in process: the crew that `core.turns.walk` asks for, without ROS and without waiting.

The executor's pilot and the guard's core act on the simulator, sessions are sealed to the same files, the trainer's
job learns from them, and scores come from the same held-out goals. What a run used and came to is in its run directory,
as after `turn-rl demo`.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np

from turn_rl_ros.core.artifact import Artifact, open_artifact
from turn_rl_ros.core.behaviour import Behaviour, make_behaviour
from turn_rl_ros.core.door import make_env
from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.evaluation import score_turn
from turn_rl_ros.core.guard.budget import WINDOW_SPENT
from turn_rl_ros.core.guard.guard import Guard
from turn_rl_ros.core.pilot import PilotConfig
from turn_rl_ros.core.rollout import Env, run_session
from turn_rl_ros.core.stepping import Env as GymnasiumEnv
from turn_rl_ros.core.stepping import step_session
from turn_rl_ros.core.store import PolicyStore
from turn_rl_ros.core.transition import Transition
from turn_rl_ros.core.turns import Score, Session, walk
from turn_rl_ros.data.dataset import Loader
from turn_rl_ros.data.manifest import sealed_files
from turn_rl_ros.data.sealed import read_info
from turn_rl_ros.data.session import SessionWriter
from turn_rl_ros.learn.job import run_job
from turn_rl_ros.study.plan import Plan
from turn_rl_ros.study.wear import Wear, wear_of


@dataclass(frozen=True)
class Outcome:
    """One turn of a run, after its training."""

    turn: int
    transitions: int
    """Of all sessions so far."""
    robot_minutes: float
    """Of all sessions so far, the way home included."""
    success: float
    mean_return: float
    wear: Wear
    """Of this turn's sessions."""
    train_seconds: float


class InProcess:
    """The crew of one run. `seed` is that of goals, motion and training, as `turn-rl demo --seed`."""

    def __init__(self, plan: Plan, run_dir: Path, seed: int) -> None:
        """Raises TurnRlError where the simulator cannot be imported."""
        self._plan, self._run_dir, self._seed = plan, run_dir, seed
        self._turns = replace(plan.turns, run_dir=str(run_dir))
        self._env = make_env(plan.spec, seed)
        self._sessions = Loader(run_dir / "sessions", plan.spec, verify="never")
        self._store = PolicyStore(run_dir)

    def begin(self) -> None:
        """Record what `plan.first` asks for, and learn the policy that acts in turn 0 from it; nothing when it did."""
        first, arm = self._plan.first, self._env
        wanted = [turn for turn in range(-first.windows, 0) if not self.recorded(turn).transitions]
        if wanted:
            self._env = make_env(self._plan.spec, self._seed, first)
            try:
                for turn in wanted:
                    self.run_session(turn, self._plan.turns.window_s)
            finally:
                self._env.close()
                self._env = arm
        if first.windows and not self.has_policy(0):
            self.train(0)

    def recorded(self, turn: int) -> Session:
        """Rows and robot time of the sealed sessions of `turn`."""
        infos = [read_info(path) for path in sealed_files(self._run_dir / "sessions")]
        mine = [info for info in infos if info.facts["turn"] == turn]
        used = [info.facts["window_used_s"] for info in mine]
        return Session(sum(s for s in used if math.isfinite(s)), sum(info.rows for info in mine))

    def run_session(self, turn: int, window_s: float) -> None:
        """The newest policy, or random motion, acts through pilot and guard; the session is sealed."""
        plan, number = self._plan, len(sealed_files(self._run_dir / "sessions"))
        acting = self._acting()
        rng = np.random.default_rng([self._seed, number, acting.turn if acting else 0])
        behaviour = make_behaviour(self._env.task, plan.behaviour, acting.policy if acting else None, rng)
        pilot = replace(plan.pilot, seed=self._seed, session=number)
        steps = round(window_s * plan.spec.rate_hz)
        rows = self._record(behaviour, steps, pilot)
        facts = {
            "turn": turn,
            "window_asked_s": window_s,
            "policy_turn": acting.turn if acting else -1,
            "policy_sha256": acting.sha256 if acting else "",
            "clock_source": "simulation",
        }
        with SessionWriter(self._run_dir / "sessions", plan.spec, facts, capacity=max(len(rows), 1)) as writer:
            for row in rows:
                writer.append(row)
            writer.seal(WINDOW_SPENT, {"window_used_s": window_s})

    def has_policy(self, turn: int) -> bool:
        """Whether it is on disk."""
        return self._store.find(turn) is not None

    def train(self, turn: int) -> float:
        """As the trainer node does. Raises TurnRlError when no policy came of it."""
        started, latest = time.perf_counter(), self._store.latest()
        decision = run_job(
            self._sessions.load(),
            self._plan.settings,
            self._run_dir / "training",
            turn=turn,
            seed=self._seed,
            deployed=latest.read_bytes() if latest else None,
        )
        if decision.blob is None:
            raise TurnRlError(str(decision.story["why"]))
        self._store.save(turn, decision.blob)
        return time.perf_counter() - started

    def evaluate(self, turn: int) -> Score | None:
        """On the held-out goals."""
        return score_turn(self._plan.spec, self._turns, turn)

    def wear(self) -> list[Wear]:
        """Wear of each session of the arm, oldest first."""
        data = self._sessions.load()
        return [wear_of(data, index) for index, info in enumerate(data.sessions) if info.facts["turn"] >= 0]

    def close(self) -> None:
        """Free the simulator."""
        self._env.close()

    def _record(self, behaviour: Behaviour, steps: int, pilot: PilotConfig) -> list[Transition]:
        if self._plan.spec.task == "gymnasium":
            start = np.random.SeedSequence([pilot.seed, pilot.session]).generate_state(1)[0]
            return step_session(cast(GymnasiumEnv, self._env), behaviour, steps, int(start))
        return run_session(cast(Env, self._env), behaviour, steps, pilot, Guard(self._plan.spec, self._plan.guard))

    def _acting(self) -> Artifact | None:
        path = self._store.latest()
        return open_artifact(path.read_bytes(), self._plan.spec) if path is not None else None


def run(plan: Plan, run_dir: Path, seed: int, say: Callable[[str], None] = lambda line: None) -> list[Outcome]:
    """Walk the turns of a plan, and go on where an earlier call was cut short; one outcome a turn."""
    crew = InProcess(plan, run_dir, seed)
    try:
        crew.begin()
        summary = walk(replace(plan.turns, run_dir=str(run_dir)), crew, time.perf_counter, say)
        wear = crew.wear()
    finally:
        crew.close()
    entries = summary["turns"]
    rows, seconds = (np.cumsum([entry[key] for entry in entries]) for key in ("transitions", "robot_seconds"))
    return [
        Outcome(
            entry["turn"],
            int(rows[index]),
            round(float(seconds[index]) / 60.0, 4),
            entry["success_rate"],
            entry["mean_return"],
            wear[index],
            entry["train_seconds"],
        )
        for index, entry in enumerate(entries)
    ]
