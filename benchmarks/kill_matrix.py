"""Kill matrix: real processes, one of them killed or stopped in mid-window, and what became of the arm and the data.

Six processes at 100 Hz, the arm with no more than ros2_control's forward controllers offer. Each round opens a window,
strikes at a random moment, lets SIGCONT follow a SIGSTOP, and starts again until the turn is whole. What the arm did is
read from the simulator's own record, not from what our nodes say. The rows of the guard are run twice, without and with
a controller that times out: there the guard cannot help.
"""

import argparse
import ctypes
import json
import multiprocessing
import os
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import yaml
from rich.progress import track

from benchmarks.table import Row, report

ROOT = Path(__file__).parents[1]
RATE_HZ, SPEED = 100.0, 0.5
WINDOW_S = 3.0
PATIENCE_S = 120.0
RUN_ON_S = 4.0
"""Without a guard and a controller that times out nothing stops the arm; so long it is watched (wall clock)."""
PR_SET_PDEATHSIG = 1
AT_REST = 0.01
"""rad/s"""
GOAL_MS = 100.0
NODES = ("arm", "guard", "executor", "collector", "trainer", "director")
VICTIMS = ("executor", "collector", "trainer", "director", "guard", "guard, controller with time-out")
SIGNALS = (signal.SIGKILL, signal.SIGSTOP)
MODULES = {name: "sim.arm_node" if name == "arm" else f"turn_rl_ros.nodes.{name}" for name in NODES}


def parameters(folder: Path, timeout_s: float, turns: int) -> None:
    """Write the Panda's scenario at 100 Hz and half speed, with windows of 3 s and the run in `folder`."""
    tree = yaml.safe_load((ROOT / "config" / "panda_reach.yaml").read_text())
    blocks = {key.rpartition("/")[2]: value["ros__parameters"] for key, value in tree.items()}
    blocks["**"]["task"].update(rate_hz=RATE_HZ, episode_steps=50)
    blocks["arm"].update(real_time_factor=SPEED, log_path=str(folder / "truth.jsonl"), command_timeout_s=timeout_s)
    blocks["guard"].update(charge_ahead_s=0.5, executor_timeout_s=1.0, state_timeout_s=1.0)
    blocks["executor"].update(home_every=0)
    blocks["director"].update(window_s=WINDOW_S, evaluate_goals=0, train=False, turns=turns)
    for name in ("guard", "executor", "collector", "trainer", "director"):
        blocks[name]["run_dir"] = str(folder / "run")
    (folder / "params.yaml").write_text(yaml.safe_dump(tree))


@dataclass
class Graph:
    """The processes of one row, forked from this one, which has imported everything but never started ROS."""

    folder: Path
    timeout_s: float
    pids: dict[str, int] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    ticks: list[dict[str, Any]] = field(default_factory=list)
    read_bytes: int = 0

    def start(self, name: str) -> None:
        """Start a node; it dies with this process."""
        pid = os.fork()
        if pid:
            self.pids[name] = pid
            self.codes.pop(name, None)
            return
        code = 70
        try:
            os.setsid()
            log = os.open(self.folder / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 1)
            os.dup2(log, 2)
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            code = import_module(MODULES[name]).main(["--ros-args", "--params-file", str(self.folder / "params.yaml")])
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)

    def running(self, name: str) -> bool:
        """Whether it lives; takes note of how it ended."""
        if name in self.codes or name not in self.pids:
            return False
        pid, status = os.waitpid(self.pids[name], os.WNOHANG)
        if pid:
            self.codes[name] = os.waitstatus_to_exitcode(status)
        return not pid

    def send(self, name: str, number: int) -> None:
        """Send a signal."""
        if self.running(name):
            os.kill(self.pids[name], number)

    def end(self) -> None:
        """An orderly end, then a hard one."""
        for number, wait_s in ((signal.SIGCONT, 0.0), (signal.SIGINT, 10.0), (signal.SIGKILL, 10.0)):
            for name in self.pids:
                self.send(name, number)
            until(lambda: not any(self.running(name) for name in self.pids), seconds=wait_s)

    def log(self, name: str) -> str:
        """What it said."""
        path = self.folder / f"{name}.log"
        return path.read_text() if path.exists() else ""

    def truth(self) -> list[dict[str, Any]]:
        """The simulator's record so far, a tick an entry."""
        path = self.folder / "truth.jsonl"
        if path.exists():
            with path.open("rb") as file:
                file.seek(self.read_bytes)
                fresh, newline, _ = file.read().rpartition(b"\n")
            self.read_bytes += len(fresh) + len(newline)
            self.ticks += [json.loads(line) for line in fresh.splitlines()]
        return self.ticks


class NeverHappened(Exception):
    """What a round waited for did not come."""


def until(true: Callable[[], Any], what: str = "", seconds: float = PATIENCE_S) -> None:
    """Wait for something; where `what` names it, NeverHappened when it does not come."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            if what:
                raise NeverHappened(what)
            return
        time.sleep(0.01)


@dataclass
class Outcome:
    """What one round showed. Times in simulated milliseconds; None where the arm did not come to rest by itself."""

    noticed_ms: float | None
    stopped_ms: float | None
    inside: bool
    intact: bool
    resumed: bool


def strike(graph: Graph, victim: str, number: int, turn: int, rng: random.Random) -> Outcome:
    """One round: a window, a blow, the end of it, and the same turn again until it is whole."""
    parameters(graph.folder, graph.timeout_s, turn + 1)
    while not in_motion(graph):
        pass  # a machine that stands still, and with it the guard, ends a window before the blow: another one
    time.sleep(rng.uniform(0.0, 0.5))
    struck = len(graph.truth())
    graph.send(victim, number)
    rest(graph, struck, victim)
    outcome = judge(graph.truth()[struck:])
    if number == signal.SIGSTOP:
        graph.send(victim, signal.SIGCONT)
    if victim != "trainer":  # a director that waits for an answer of the dead gives up after 20 s; nobody waits so long
        graph.send("director", signal.SIGINT)
    until(lambda: not graph.running("director"), "the director ends")
    return Outcome(*outcome, intact=True, resumed=resume(graph, turn, victim))


def in_motion(graph: Graph) -> bool:
    """Have a window open; whether the arm moves in it before its director ends."""
    opened = graph.log("guard").count("window open")
    start_missing(graph)
    until(lambda: graph.log("guard").count("window open") > opened, "a window opens")
    first = len(graph.truth())

    def moves() -> bool:
        return len(graph.truth()) > first + 20 and speed(graph.ticks[-1]) > 0.1

    until(lambda: moves() or not graph.running("director"), "the arm moves")
    return moves()


def speed(tick: dict[str, Any]) -> float:
    return max(map(abs, tick["next_joint_velocity"]))


def rest(graph: Graph, struck: int, victim: str) -> None:
    """Wait until the arm has been at rest for half a simulated second, or it is clear that nobody stops it."""
    still = int(0.5 * RATE_HZ)

    def rests() -> bool:
        return len(graph.truth()) > struck + still and all(speed(tick) < AT_REST for tick in graph.ticks[-still:])

    if victim == "guard":
        until(rests, seconds=RUN_ON_S)
    else:
        until(rests, "the arm rests")


def judge(ticks: list[dict[str, Any]]) -> tuple[float | None, float | None, bool]:
    """When the final stop began after the blow, how long it took, and whether every joint stayed within its limits."""
    low, high = LIMITS
    places = np.array([tick["next_joint_position"] for tick in ticks])
    inside = bool((places >= low).all() and (places <= high).all())
    speeds = [speed(tick) for tick in ticks]
    if not speeds or speeds[-1] >= AT_REST:
        return None, None, inside
    at_rest = len(speeds) - next((i for i, v in enumerate(reversed(speeds)) if v >= AT_REST), len(speeds))
    commands = [np.abs(tick["command"]) for tick in ticks[: at_rest + 1]]
    begun = at_rest
    while begun > 0 and (commands[min(begun, at_rest)] <= commands[begun - 1] + 1e-9).all():
        begun -= 1
    tick_ms = 1000.0 / RATE_HZ
    return begun * tick_ms, (at_rest - begun) * tick_ms, inside


def resume(graph: Graph, turn: int, victim: str) -> bool:
    """Start what is missing and walk the turn to its end; whether its robot time is that of one window."""
    summary = graph.folder / "run" / "summary.json"
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        turns = json.loads(summary.read_text())["turns"] if summary.exists() else []
        if len(turns) > turn:
            until(lambda: not graph.running("director"), "the director ends")
            used_s = turns[turn]["robot_seconds"]  # without a guard the arm may have run on: that counts as used
            return used_s >= 0.9 * WINDOW_S and (used_s <= 1.1 * WINDOW_S or victim == "guard")
        start_missing(graph)
        time.sleep(0.1)
    return False


def start_missing(graph: Graph) -> None:
    for name in NODES:
        if not graph.running(name):
            graph.start(name)


def intact(graph: Graph) -> bool:
    """Whether every session is sealed and can be read, with one row a step and no row twice."""
    sessions = graph.folder / "run" / "sessions"
    for path in sessions.glob("*.h5"):
        with h5py.File(path) as file:
            stamps = file["infos/stamp_ns"][:]
            if len(file["rewards"]) != len(stamps) or (np.diff(stamps) <= 0).any():
                return False
    return not list(sessions.glob("*.part"))


@dataclass(frozen=True)
class Cell:
    """A row of the matrix: who is struck, with what, how often, in which ROS domain."""

    victim: str
    number: int
    rounds: int
    domain: int
    keep: Path | None


def play(cell: Cell) -> list[Outcome]:
    """All rounds of a cell in one run directory; another one is begun after a round that did not come to its end."""
    os.environ["ROS_DOMAIN_ID"] = str(cell.domain)
    rng = random.Random(f"{cell.victim}{cell.number}")
    outcomes: list[Outcome] = []
    while len(outcomes) < cell.rounds:
        outcomes += _play_on(cell, cell.rounds - len(outcomes), rng)
    return outcomes


def _play_on(cell: Cell, rounds: int, rng: random.Random) -> list[Outcome]:
    name, _, timed = cell.victim.partition(",")
    folder = Path(tempfile.mkdtemp(prefix="kill-", dir=cell.keep))
    graph = Graph(folder, 0.1 if timed else 0.0)
    outcomes: list[Outcome] = []
    try:
        for turn in range(rounds):
            outcomes.append(strike(graph, name, cell.number, turn, rng))
            if cell.keep:
                print(cell.victim, cell.number, outcomes[-1], flush=True)
    except NeverHappened as missing:
        outcomes.append(Outcome(None, None, inside=False, intact=False, resumed=False))
        print(f"{cell.victim} {cell.number}: never happened: {missing}; what there is lies in {folder}", flush=True)
    graph.end()
    whole = intact(graph)
    for outcome in outcomes:
        outcome.intact &= whole
    if not cell.keep and all(one.resumed for one in outcomes):
        shutil.rmtree(folder)
    return outcomes


def summarise(victim: str, number: int, outcomes: list[Outcome]) -> list[Row]:
    """Rows of the table for one cell of the matrix."""
    what, n = f"{signal.Signals(number).name} {victim}", len(outcomes)
    stopped = [one.stopped_ms for one in outcomes if one.stopped_ms is not None]
    noticed = [one.noticed_ms for one in outcomes if one.noticed_ms is not None]
    bare = victim == "guard"
    rows = []
    if stopped:
        worst = max(stopped)
        rows.append(
            _row(
                f"{what}: stop, worst ({statistics.median(noticed):.0f} ms after the blow)",
                worst,
                "ms",
                GOAL_MS,
                worst <= GOAL_MS or victim.startswith("guard"),
            )
        )
    if victim == "executor":
        total = max(a + b for a, b in zip(noticed, stopped, strict=True))
        rows.append(_row(f"{what}: from the blow to rest, worst", total, "ms", GOAL_MS, total <= GOAL_MS))
    rows.append(_row(f"{what}: arm came to rest by itself", len(stopped), "rounds", n, len(stopped) == n or bare))
    for name in ("inside", "intact", "resumed"):
        good = sum(getattr(one, name) for one in outcomes)
        meaning = {"inside": "joints within limits", "intact": "sessions whole", "resumed": "turn resumed"}[name]
        rows.append(_row(f"{what}: {meaning}", good, "rounds", n, good == n or (bare and name == "inside")))
    return rows


def _row(what: str, value: float, unit: str, reference: float, met: bool) -> Row:
    ratio = value / reference if unit == "rounds" else reference / max(value, 1e-9)
    return Row(what, round(value, 1), unit, "goal", reference, round(ratio, 3), 1.0, met)


def main() -> int:
    """Play the matrix, print it, write results/kill-matrix.json; 1 when a goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50, help="rounds of each of the twelve rows")
    parser.add_argument("--only", default="", help="victims whose name begins with this")
    parser.add_argument("--jobs", type=int, default=1, help="rows that are played at once: a round mostly waits")
    parser.add_argument("--keep", type=Path, help="folder for run directories and logs")
    options = parser.parse_args()
    first = 1 + os.getpid() % 80
    chosen = [(v, s) for v in VICTIMS if v.startswith(options.only) for s in SIGNALS]
    cells = [Cell(v, s, options.rounds, first + i, options.keep) for i, (v, s) in enumerate(chosen)]
    rows: list[Row] = []
    with multiprocessing.get_context("fork").Pool(options.jobs, maxtasksperchild=1) as pool:
        played = pool.imap(play, cells, chunksize=1)
        for cell, outcomes in zip(cells, track(played, "kill matrix", total=len(cells)), strict=True):
            rows += summarise(cell.victim, cell.number, outcomes)
    report("kill-matrix", rows)
    return int(not all(row.met for row in rows))


def _prepare() -> tuple[np.ndarray, np.ndarray]:
    """Everything that the children share, imported once; and the joint limits."""
    os.environ.update(ROS_AUTOMATIC_DISCOVERY_RANGE="LOCALHOST", OMP_NUM_THREADS="1")
    os.environ.setdefault("RCUTILS_LOGGING_BUFFERED_STREAM", "0")
    for module in MODULES.values():
        import_module(module)
    from turn_rl_ros.core.task import make_spec

    spec = make_spec({"kind": "reach"})
    return np.array(spec.joint_low), np.array(spec.joint_high)


if __name__ == "__main__":
    LIMITS = _prepare()
    raise SystemExit(main())
