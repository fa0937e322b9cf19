"""What the run took out of the arm: the guard's account as the last session has it."""

from collections import Counter
from dataclasses import dataclass

from turn_rl_ros.report.run import Run


@dataclass(frozen=True)
class JointWear:
    """One joint's account, as text."""

    joint: str
    travel: str
    reversals: str
    high_load_s: str


@dataclass(frozen=True)
class Wear:
    """The account of the whole arm."""

    minutes: str
    """Robot time that the guard has down as used, whoever recorded it."""
    joints: list[JointWear]
    interventions: list[tuple[str, int]]
    """Commands that the guard changed, by cause, over all sessions; the most frequent first."""


def wear_of(run: Run) -> Wear | None:
    """The account; None where no guard kept one, as for imported data."""
    accounts = [session.info.facts.get("wear") or {} for session in run.sessions]
    last = next((one["wear"] for one in reversed(accounts) if one.get("wear")), None)
    if last is None:
        return None
    causes: Counter[str] = Counter()
    for one in accounts:
        causes.update(one.get("interventions", {}))
    joints = [
        JointWear(
            name, f"{travel:.1f}", f"{last['reversals'].get(name, 0):.0f}", f"{last['high_load_s'].get(name, 0):.1f}"
        )
        for name, travel in last["travel"].items()
    ]
    named = [(cause.replace("_", " "), count) for cause, count in causes.most_common()]
    return Wear(f"{last['seconds'] / 60.0:.1f}", joints, named)
