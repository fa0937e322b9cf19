"""The fast path: the plain algorithms again, with gradients by hand and in the order that a CPU's cache likes.

Each class here inherits from the plain one in `learn.algorithms`, which says what is meant and is the truth of the
tests, and replaces only `update`: the same networks, the same noise, the same checkpoints. docs/fast-path.md says why
each trick is here and what it bought.
"""

from turn_rl_ros.learn.algorithms.base import Algorithm
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.fast.cql import FastCql
from turn_rl_ros.learn.fast.discrete_cql import FastDiscreteCql
from turn_rl_ros.learn.fast.iql import FastIql

_FAST: dict[str, type[Algorithm]] = {one.name: one for one in (FastCql, FastDiscreteCql, FastIql)}


def accelerated(kind: type[Algorithm], config: TrainerConfig) -> type[Algorithm]:
    """The fast class for a plain one, where there is one and it can do what the configuration asks for."""
    return _FAST.get(kind.name, kind) if config.by_hand and config.width else kind
