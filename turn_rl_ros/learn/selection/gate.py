"""The gate between training and robot: a policy that may well be worse than the deployed one stays here."""

from turn_rl_ros.learn.selection.fqe import Estimate


def gate(candidate: Estimate, deployed: Estimate | None) -> str:
    """Why the candidate should not be delivered, in one line; empty when it may.

    It may when its lower bound is not below the deployed policy's estimate, or when nothing is deployed.
    """
    if deployed is None or candidate.low >= deployed.value:
        return ""
    return (
        f"its estimate of {candidate.value:.3g} may be as low as {candidate.low:.3g}, below the deployed policy's "
        f"{deployed.value:.3g}"
    )
