"""Runs of a study, one after the other: each is written down as soon as it is done, and none is done twice."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.study.crew import run
from turn_rl_ros.study.plan import Plan

Line = dict[str, Any]
"""What one run came to: `case`, `seed`, `of` (the fingerprint of its plan) and `outcomes`, one a turn."""


def measure(plans: Mapping[str, Plan], seeds: Sequence[int], path: Path, console: Console) -> list[Line]:
    """Run every plan with every seed, a line of `path` each; those that are there already are not run again.

    Seed by seed, so that a cut leaves every case with as many. The run that is under way has its directory beside
    `path`, and goes on there after a cut. Raises TurnRlError when the disk refuses.
    """
    known = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    done = {(line["case"], line["seed"], line["of"]): line for line in known}
    wanted = [(case, seed, fingerprint(plan)) for seed in seeds for case, plan in plans.items()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with Progress(console=console) as bar, path.open("a") as log:
            job = bar.add_task("", total=len(wanted))
            for key in wanted:
                case, seed, of = key
                bar.update(job, description=f"{case}, seed {seed}")
                if key not in done:
                    run_dir = path.with_suffix("") / f"{case}-{seed}-{of}"
                    outcomes = [asdict(one) for one in run(plans[case], run_dir, seed)]
                    done[key] = {"case": case, "seed": seed, "of": of, "outcomes": outcomes}
                    log.write(json.dumps(done[key]) + "\n")
                    log.flush()
                    shutil.rmtree(run_dir)
                bar.advance(job)
    except OSError as error:
        raise TurnRlError(f"cannot write {path}: {error.strerror}; choose another --out") from error
    return [done[key] for key in wanted]


def fingerprint(plan: Plan) -> str:
    """Task and settings in a few letters: a line that was measured with others is not taken for this plan's."""
    parts = (plan.behaviour, plan.pilot, plan.guard, plan.settings, plan.turns, plan.first)
    return f"{plan.spec.fingerprint()[:8]}-{sha256(repr(parts).encode()).hexdigest()[:8]}"
