"""The policy that proposes actions and takes the one that its critics value most, in NumPy alone.

Sampling from a policy that imitates and choosing by Q is how SfBC (Chen et al. 2023) and IDQL (Hansen-Estruch et al.
2023) act; Dong et al. 2025 (What matters for batch online reinforcement learning in robotics?) prefer it to an actor
that follows the critic's gradient. Here the proposals are those of CQL's own actor, a Gaussian about what it would do.
"""

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.errors import PolicyRejected
from turn_rl_ros.core.policy import MEAN, VOTE, Weights, action_scale, combine_of, forward, layers_of, vector_of
from turn_rl_ros.core.spec import Box, TaskSpec

LOG_STD_LOW, LOG_STD_HIGH = -5.0, 1.0
"""Range of a policy's log standard deviation before the tanh."""
CRITICS = 2
"""Critics a member; an action is worth what the lesser says."""
MAX_NUMBERS = 2**21
"""Most weights that there may be, and most numbers in one layer's outputs: opening must stay under 64 MiB."""

Array = NDArray[np.float64]


class BestOfPolicy:
    """Of each member's mean action and K samples of its tanh Gaussian, the one of the greatest Q.

    Beside the actor's layers (means, then log standard deviations): critics `qw{i}` and `qb{i}`, two a member, member
    by member, of the normalised observation and the action in [-1, 1]; `q_layer_norm` (1,), 1 where they have a layer
    norm before each activation; `noise` (K, action.size), the standard normal numbers of the samples, so that one
    observation always gives the same action; `obs_mean`, `obs_std` and `combine` as for `TanhPolicy`.

    All of it is computed in float64: a choice by the last bits of float32 would differ from machine to machine.
    """

    kind = "best_of_q"

    def __init__(self, weights: Weights, spec: TaskSpec) -> None:
        if not isinstance(spec.action, Box):
            raise PolicyRejected("a best_of_q policy needs a continuous action space")
        n, seen = spec.action.size, spec.observation.size
        actor = layers_of(weights, seen, 2 * n)
        critic = layers_of({name[1:]: weights[name] for name in weights if name[:2] in ("qw", "qb")}, seen + n, 1)
        if len(critic[0][0]) != CRITICS * len(actor[0][0]):
            raise PolicyRejected(f"{len(actor[0][0])} members have {len(critic[0][0])} critics, not {CRITICS} each")
        if "noise" not in weights or weights["noise"].ndim != 2 or weights["noise"].shape[1] != n:
            raise PolicyRejected(f"noise is missing or has not the shape (samples, {n})")
        if "q_layer_norm" not in weights or weights["q_layer_norm"].shape != (1,):
            raise PolicyRejected("a best_of_q policy needs q_layer_norm, 0 or 1")
        widest = max(weight.shape[0] * weight.shape[2] for weight, _ in critic) * (len(weights["noise"]) + 1)
        if max(widest, sum(array.size for array in weights.values())) > MAX_NUMBERS:
            raise PolicyRejected(f"a best_of_q policy may have {MAX_NUMBERS} weights, and as many outputs of a layer")
        combine = combine_of(weights)
        if combine == VOTE:
            raise PolicyRejected("a best_of_q policy has no finitely many actions to vote on")
        self._join = np.mean if combine == MEAN else np.median
        self._actor, self._critic = _double(actor), _double(critic)
        self._layer_norm = bool(weights["q_layer_norm"][0])
        # The mean itself is the sample of noise zero.
        self._noise = np.concatenate([np.zeros((1, n)), weights["noise"]])
        self._mean, self._std = (vector_of(weights, name, spec).astype(np.float64) for name in ("obs_mean", "obs_std"))
        if not (self._std > 0).all():
            raise PolicyRejected("obs_std has an entry that is not positive")
        self._middle, self._half = action_scale(spec.action)

    def act(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        """(action.size,) float32 within the bounds."""
        x = (observation.astype(np.float64) - self._mean) / self._std
        proposed = self.proposed(x)
        best = self.values(x, proposed).argmax(axis=1)
        chosen = self._join(proposed[np.arange(len(best)), best], axis=0)
        return self._middle + self._half * chosen.astype(np.float32)

    def proposed(self, x: Array) -> Array:
        """Each member's actions for a normalised observation, its mean first, (E, K + 1, action.size) in [-1, 1]."""
        mean, log_std = np.split(forward(self._actor, x[None, None]), 2, axis=-1)
        return np.tanh(mean + np.exp(log_std.clip(LOG_STD_LOW, LOG_STD_HIGH)) * self._noise)

    def values(self, x: Array, actions: Array) -> Array:
        """What the lesser of a member's critics says of its actions (E, K + 1, n), (E, K + 1)."""
        members, count, _ = actions.shape
        inputs = np.concatenate([np.broadcast_to(x, (members, count, len(x))), actions], axis=-1)
        found = forward(self._critic, np.repeat(inputs, CRITICS, axis=0), self._layer_norm)
        return found.reshape(members, CRITICS, count).min(axis=1)


def _double(layers: list[tuple[NDArray, NDArray]]) -> list[tuple[Array, Array]]:
    return [(weight.astype(np.float64), bias.astype(np.float64)) for weight, bias in layers]
