"""Robot-minutes to 90 % of the goals: learning in turns against online learners on the same simulated arm.

Peers are Stable-Baselines3's SAC and TQC with hindsight; they are installed into an environment of their own. Both
sides get transitions of the same task; ours pays for the way home, the peers start each episode at home for nothing.
"""

import argparse
import json
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from turn_rl_ros.study.reach import curves, study
from turn_rl_ros.study.table import Row, report

PEERS = ("stable-baselines3==2.7.0", "sb3-contrib==2.7.0")
NAMES = {"sac": "SAC + HER (Stable-Baselines3 2.7.0)", "tqc": "TQC + HER (sb3-contrib 2.7.0)"}
LEVEL, GOAL = 0.9, 3.0
OUT = Path("results")
LOG = OUT / "study-online.jsonl"


def peer_python() -> Path:
    """The interpreter that has the peers, after installing them if need be. Raises SubprocessError, OSError."""
    home = Path(".venv-peers-online")
    if not (home / ".ready").exists():
        print(f"installing {', '.join(PEERS)} into {home} ...")
        venv.create(home, with_pip=True)
        # With our own package and its simulator, so that the environment is the same code.
        subprocess.run([home / "bin" / "python", "-m", "pip", "install", "-q", *PEERS, "pybullet", "."], check=True)
        (home / ".ready").touch()
    return home / "bin" / "python"


def minutes_to(level: float, minutes: np.ndarray, success: np.ndarray) -> float:
    """The first robot-minute whose score is at least `level`; infinite when there is none."""
    there = np.flatnonzero(success >= level)
    return float(minutes[there[0]]) if len(there) else float("inf")


def peer(name: str, seed: int, minutes: int, goals: int) -> list[float]:
    """Success after each robot-minute, measured once and then read from the log."""
    lines = [json.loads(line) for line in LOG.read_text().splitlines()] if LOG.is_file() else []
    for line in lines:
        if (line["peer"], line["seed"]) == (name, seed) and len(line["success"]) >= minutes:
            return line["success"][:minutes]
    script = Path(__file__).with_name("peers_online.py")
    found = subprocess.run(
        [peer_python(), script, name, str(seed), str(minutes), str(goals)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    told = [json.loads(line) for line in found.stdout.splitlines() if line.startswith("{")]
    success = [one["success"] for one in told]
    LOG.parent.mkdir(exist_ok=True)
    with LOG.open("a") as log:
        log.write(json.dumps({"peer": name, "seed": seed, "success": success}) + "\n")
    return success


def main() -> None:
    """Measure both sides and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=int, default=12, help="robot-minutes given to the peers")
    parser.add_argument("--goals", type=int, default=100, help="held-out goals of each of the peers' scores")
    parser.add_argument("--lever", default="defaults", help="ours: a lever of `turn-rl study reach`")
    options = parser.parse_args()
    seeds = range(options.seeds)
    lines = study([options.lever], seeds, OUT, False, Console())
    axes, scores = curves(lines, options.lever, "robot_minutes"), curves(lines, options.lever)
    reached = [minutes_to(LEVEL, *both) for both in zip(axes, scores, strict=True)]
    if not np.isfinite(reached).all():
        raise SystemExit(f"{options.lever} does not reach {LEVEL:.0%} in its turns with every seed: nothing to compare")
    ours = float(np.mean(reached))
    rows = []
    what = f"robot-minutes to {LEVEL:.0%} of the goals"
    for name, title in NAMES.items():
        try:
            scores = [peer(name, seed, options.minutes, options.goals) for seed in track(seeds, description=name)]
        except (subprocess.SubprocessError, OSError) as error:
            rows.append(Row(f"{what} (not measured: {error})", ours, "min", title, None, None, GOAL, False))
            continue
        axis = np.arange(1, options.minutes + 1)
        theirs = [minutes_to(LEVEL, axis, np.array(one)) for one in scores]
        late = sum(not np.isfinite(one) for one in theirs)
        # A peer that never got there counts with the time that it was given: the ratio is then a lower bound.
        mean = float(np.mean([min(one, options.minutes) for one in theirs]))
        note = f", {late} of {len(theirs)} runs not there after {options.minutes} min" if late else ""
        rows.append(Row(what, round(ours, 3), "min", title + note, round(mean, 3), round(mean / ours, 3), GOAL,
                        mean / ours >= GOAL))  # fmt: skip
    report("study-online", rows)


if __name__ == "__main__":
    sys.exit(main())
