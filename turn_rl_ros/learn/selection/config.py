"""Parameters of what happens between training and delivery."""

from dataclasses import dataclass

from turn_rl_ros.core.config import param

RULES = ("first", "robot", "estimate", "average", "median", "vote")


@dataclass(frozen=True)
class SelectionConfig:
    """What `decide` needs to know; parameters of the trainer beside `TrainerConfig`'s."""

    deploy: str = param(
        "first",
        "of several seeds, what is delivered: the first, the best by robot return or by off-policy estimate, or all of "
        "them as one policy: average, median or vote",
        choices=RULES,
    )
    gate: bool = param(False, "withhold a policy whose estimate's lower bound is below the deployed one's estimate")
    confidence: float = param(0.9, "probability that an estimate's interval aims at", low=0.5, high=0.999)
    resamples: int = param(10, "resamplings of the episodes behind an interval", low=2, high=1000)
    estimate_steps: int = param(
        2000, "gradient steps of an estimate; a one-hot state needs none", unit="steps", low=1, high=10_000_000
    )
    estimate_discount: float = param(0.0, "discount of the estimated return; 0: the trainer's", low=0.0, high=0.9999)
