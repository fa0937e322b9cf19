"""When a run has left what rewards allow: then its weights are worth nothing, however small its loss."""

import math
from collections.abc import Mapping

EXPLODED = 10.0
"""How many times the greatest possible return a mean value may reach before the run counts as diverged.

Honest values overshoot: conservative ones lie below the least return, a young critic's above the greatest.
"""
YOUNG = 1.0
"""Size of the values that networks start with, whatever the rewards: a session may have found no reward at all."""


def divergence(metrics: Mapping[str, float], low: float, high: float) -> str:
    """Say why a run has diverged; empty while it has not.

    Args:
        metrics: of one seed, as an algorithm's `update` names them; `q_data` and `q_policy` are looked at if there.
        low: least possible discounted return.
        high: greatest one.
    """
    for name, value in metrics.items():
        if not math.isfinite(value):
            return f"{name} is {value}"
    largest, span = max(abs(low), abs(high), YOUNG), max(high - low, YOUNG)
    for name in ("q_data", "q_policy"):
        if name in metrics and abs(metrics[name]) > EXPLODED * largest:
            return f"{name} is {metrics[name]:.3g}, returns lie in [{low:.3g}, {high:.3g}]"
    gap = metrics.get("q_policy", 0.0) - metrics.get("q_data", 0.0)
    if "q_policy" in metrics and "q_data" in metrics and gap > EXPLODED * span:
        return f"actions of the policy are valued {gap:.3g} above the data's, two returns differ by at most {span:.3g}"
    return ""
