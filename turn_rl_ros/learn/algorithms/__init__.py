"""The offline-RL algorithms by name; adding one is a file here and a line below."""

from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.learn.algorithms.awac import Awac
from turn_rl_ros.learn.algorithms.base import Algorithm
from turn_rl_ros.learn.algorithms.bc import Bc
from turn_rl_ros.learn.algorithms.c51 import C51
from turn_rl_ros.learn.algorithms.cql import Cql
from turn_rl_ros.learn.algorithms.discrete_bc import DiscreteBc
from turn_rl_ros.learn.algorithms.discrete_bcq import DiscreteBcq
from turn_rl_ros.learn.algorithms.discrete_cql import DiscreteCql
from turn_rl_ros.learn.algorithms.dqn import DoubleDqn, Dqn
from turn_rl_ros.learn.algorithms.iql import Iql
from turn_rl_ros.learn.algorithms.qr_dqn import QrDqn
from turn_rl_ros.learn.algorithms.rem import Rem
from turn_rl_ros.learn.algorithms.td3_bc import Td3Bc

CONTINUOUS: tuple[type[Algorithm], ...] = (Cql, Iql, Td3Bc, Awac, Bc)
DISCRETE: tuple[type[Algorithm], ...] = (DiscreteCql, Dqn, DoubleDqn, QrDqn, C51, Rem, DiscreteBcq, DiscreteBc)
ALGORITHMS = {one.name: one for one in CONTINUOUS + DISCRETE}


def find_algorithm(name: str, discrete: bool) -> type[Algorithm]:
    """The algorithm of that name. Raises ConfigError when there is none, or it is for another kind of action."""
    fitting = ", ".join(one.name for one in ALGORITHMS.values() if one.discrete == discrete)
    kind = "discrete" if discrete else "continuous"
    if name not in ALGORITHMS:
        raise ConfigError(f"there is no algorithm {name!r}; for this task's {kind} actions there are: {fitting}")
    if ALGORITHMS[name].discrete != discrete:
        raise ConfigError(f"{name} cannot learn {kind} actions; for them there are: {fitting}")
    return ALGORITHMS[name]
