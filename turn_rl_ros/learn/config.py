"""Parameters of a training run that all algorithms share; what only one knows stands in its own file."""

from dataclasses import dataclass

from turn_rl_ros.core.config import param

BEST_OF_K = "best_of_k"
"""The policy that asks its critics when it acts: `core.best_of`."""


@dataclass(frozen=True)
class TrainerConfig:
    """What `learn.train.train` needs to know; the `trainer` block of a scenario file.

    Defaults are those that the papers of CQL, IQL, AWAC and TD3+BC have in common; the scenario files in config/ say
    what works with a few minutes of robot time.
    """

    algorithm: str = param("cql", "which algorithm; its own parameters stand in a block of its name")
    seeds: int = param(1, "runs that differ in initial weights, batches and noise alone", low=1, high=1000)
    steps: int = param(8000, "gradient steps of one training", unit="steps", low=1, high=10_000_000)
    batch_size: int = param(256, "transitions in a batch", low=1, high=65536)
    width: int = param(256, "units in each of the two hidden layers; 0 makes networks linear", low=0, high=4096)
    layer_norm: bool = param(
        False, "critics with a layer norm before each activation, against runaway values; not for discrete actions"
    )
    learning_rate: float = param(3e-4, "Adam step size of critics and values", low=1e-7, high=1.0)
    actor_learning_rate: float = param(3e-4, "Adam step size of the actor", low=1e-7, high=1.0)
    final_rate: float = param(
        1.0, "share of the step sizes left at the end; they fall linearly over the second half", low=0.0, high=1.0
    )
    discount: float = param(0.99, "value of a reward one step later", low=0.0, high=0.9999)
    n_step: int = param(
        1,
        "rewards that a target adds up before the value of where they led (n-step returns)",
        unit="steps",
        low=1,
        high=100,
    )
    target_rate: float = param(0.005, "share of the critic that enters its target at each step", low=0.0, high=1.0)
    average_rate: float = param(
        1.0, "share of the policy that enters the delivered, averaged policy at each step", low=0.0, high=1.0
    )
    clamp_targets: bool = param(False, "keep Bellman targets within what rewards like the data's can add up to")
    hindsight_share: float = param(
        0.0, "share of a batch whose goal becomes a state reached later in its episode", low=0.0, high=1.0
    )
    resample_share: float = param(0.0, "share of a batch whose goal becomes a new goal of the task", low=0.0, high=1.0)
    one_hot: bool = param(False, "discrete tasks: the state enters the network as a one-hot vector")
    by_hand: bool = param(
        True, "gradients by hand where there are such, else autograd: the same, and faster for wide networks"
    )
    precision: str = param(
        "float32",
        "products of CQL's critics: float32, or bfloat16 with float32 weights",
        choices=("float32", "bfloat16"),
    )
    extract: str = param(
        "actor",
        "what acts: the actor's mean, or the best_of_k of it and of samples by the critics (cql)",
        choices=("actor", BEST_OF_K),
    )
    extract_samples: int = param(16, "best_of_k: samples beside the mean", low=1, high=256)
    processes: int = param(
        1, "processes that share the seeds, one pinned core each; 1: side by side in this one", low=1, high=256
    )
    threads: int = param(1, "CPU threads of each process; results are the same for the same number", low=1, high=256)
    checkpoint_steps: int = param(
        1000, "steps after which the training can resume after a kill; 0: never", unit="steps", low=0, high=10_000_000
    )
