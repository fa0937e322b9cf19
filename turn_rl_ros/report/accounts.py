"""What the guard changed, what was dropped, and who acted: the account of each session."""

from collections import Counter

import numpy as np

from turn_rl_ros.core.behaviour import BEHAVIOURS
from turn_rl_ros.core.guard.guard import Cause
from turn_rl_ros.report.run import Run
from turn_rl_ros.report.style import CYCLE, Picture, panels, stacked

BEHAVIOUR_COLOURS = dict(zip(BEHAVIOURS, CYCLE, strict=False))


def interventions(run: Run, turn: int) -> Counter[str]:
    """Transitions of a turn that the guard changed, by cause; one with two causes counts under both."""
    bits = run.column(turn, "intervention")
    found = {str(cause.name).lower().replace("_", " "): int(((bits & cause) != 0).sum()) for cause in Cause}
    return Counter({name: count for name, count in found.items() if count})


def behaviours(run: Run, turn: int) -> Counter[str]:
    """Transitions of a turn by what chose the action."""
    indices = run.column(turn, "behaviour")
    return Counter({name: int((indices == i).sum()) for i, name in enumerate(BEHAVIOURS) if (indices == i).any()})


def accounts_picture(run: Run) -> Picture | None:
    """Three panels of stacked bars, one bar a turn; None without a session."""
    turns = run.session_turns()
    if not turns:
        return None
    rows = np.array([len(run.column(turn, "rewards")) for turn in turns])
    labels = [str(turn) for turn in turns]
    figure, (who, guard, drops) = panels(3, 3, (3.05, 2.9))
    percent = 100.0 / np.maximum(rows, 1)
    stacked(who, labels, _parts([behaviours(run, t) for t in turns], percent), "no transitions", BEHAVIOUR_COLOURS)
    stacked(guard, labels, _parts([interventions(run, t) for t in turns], percent), "the guard changed nothing")
    stacked(drops, labels, _parts([run.count(t, "drops") for t in turns], np.ones(len(turns))), "no sample was dropped")
    who.set(title="Who acted", ylabel="share of transitions (%)")
    guard.set(title="What the guard changed, and why", ylabel="share of transitions (%)")
    drops.set(title="Samples dropped, and why", ylabel="samples")
    for axes in (who, guard, drops):
        axes.set_xlabel("session of turn")
    return Picture(
        "accounts",
        "The account of each session",
        "A transition that the guard changed for two reasons counts under both. A dropped sample is a command that did "
        "not become a transition, because a state was lost or came late; nothing is filled in.",
        figure,
    )


def _parts(counts: list[Counter[str]], scale: np.ndarray) -> dict[str, list[float]]:
    """Name -> scaled count a turn, the most frequent name first."""
    total = sum(counts, Counter())
    pairs = list(zip(counts, scale.tolist(), strict=True))
    return {name.replace("_", " "): [one[name] * s for one, s in pairs] for name, _ in total.most_common()}
