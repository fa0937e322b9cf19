"""A policy beside what was recorded: where they disagree, as a figure and a page."""

from pathlib import Path

import numpy as np

from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.files import replace_file
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.data.shadow import Comparison, who_is
from turn_rl_ros.report.page import render_page
from turn_rl_ros.report.style import BLUE, CYCLE, GREY, Picture, panels


def shadow_picture(compared: Comparison) -> Picture:
    """Disagreement for each action, and for each episode over time."""
    figure, (left, right) = panels(2, 2, (4.2, 2.8))
    actions = compared.by_action()
    places = np.arange(len(actions))
    means, highs = np.array(list(actions.values())).T
    left.bar(places, means, 0.7, color=BLUE, label="mean")
    left.plot(places, highs, "_", color=GREY, markersize=14, label="90 % quantile")
    left.set_xticks(
        places, list(actions), rotation=30 if len(actions) > 3 else 0, ha="right" if len(actions) > 3 else "center"
    )
    left.set_ylabel(unit_of(compared.spec))
    left.set_title("each action")
    left.grid(axis="x", visible=False)
    minutes, mean, behaviour = compared.by_episode()
    for who in np.unique(behaviour).tolist():
        of = behaviour == who
        right.plot(minutes[of], mean[of], ".", color=CYCLE[who % len(CYCLE)], label=who_is(who))
    right.set_xlabel("robot time (min)")
    right.set_title("each episode")
    for axes in (left, right):
        axes.set_ylim(bottom=0)
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, borderaxespad=0.2, handletextpad=0.3)
    caption = (
        "0: the policy would have done what was done. "
        + ("1: it would have made another move. " if compared.spec.discrete else "1: the other end of the range. ")
        + "Left: over all decisions; right: the mean of each episode, by what acted. The way home is left out."
    )
    return Picture("shadow", "Policy and recording", caption, figure)


def unit_of(spec: TaskSpec) -> str:
    """What a disagreement is a share of."""
    return "share of other moves" if spec.discrete else "difference, share of the range"


def write_shadow_page(compared: Comparison, name: str, target: Path) -> None:
    """Write the comparison as one HTML file; `name` is what the recording is called on it. Raises TurnRlError."""
    picture = shadow_picture(compared)
    values = {"actions": compared.by_action(), "behaviours": compared.by_behaviour()}
    page = render_page("shadow.html.j2", [(picture, picture.png())], compared=compared, name=name, **values)
    try:
        replace_file(target, page.encode())
    except OSError as error:
        raise TurnRlError(f"the page cannot be written to {target} ({error.strerror})") from error
