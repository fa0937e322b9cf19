"""Parameters of a training run."""

from dataclasses import dataclass

from turn_rl_ros.core.config import param


@dataclass(frozen=True)
class TrainerConfig:
    """What `learn.train.train` needs to know; the `trainer` block of a scenario file."""

    steps: int = param(8000, "gradient steps of one training", unit="steps", low=1, high=10_000_000)
    batch_size: int = param(256, "transitions in a batch", low=1, high=65536)
    width: int = param(128, "units in each of the two hidden layers; 0 makes discrete values linear", low=0, high=4096)
    learning_rate: float = param(
        1e-3, "Adam step size of all networks; falls linearly over the second half", low=1e-7, high=1.0
    )
    discount: float = param(0.9, "value of a reward one step later", low=0.0, high=0.9999)
    target_rate: float = param(0.01, "share of the critic that enters its target at each step", low=0.0, high=1.0)
    average_rate: float = param(
        0.002, "share of the actor that enters the delivered, averaged actor at each step", low=0.0, high=1.0
    )
    alpha: float = param(
        0.005, "weight of the conservative gap (CQL's alpha) against the squared Bellman error", low=0.0, high=1000.0
    )
    conservative_rows: int = param(32, "rows of a batch on which the conservative gap is estimated", low=1, high=65536)
    action_samples: int = param(
        2, "actions drawn from each of: uniform, policy here, policy at the next state", low=1, high=100
    )
    target_entropy: float = param(
        -1.0, "entropy that the policy aims at, per action dimension", unit="nats", low=-10.0, high=1.0
    )
    hindsight_share: float = param(
        0.5, "share of a batch whose goal becomes a state reached later in its episode", low=0.0, high=1.0
    )
    resample_share: float = param(0.3, "share of a batch whose goal becomes a new goal of the task", low=0.0, high=1.0)
    one_hot: bool = param(False, "discrete tasks: the state enters the network as a one-hot vector")
    ensemble: int = param(1, "discrete tasks: networks trained side by side and averaged", low=1, high=100)
    threads: int = param(1, "CPU threads; networks this small gain nothing from more", low=1, high=256)
