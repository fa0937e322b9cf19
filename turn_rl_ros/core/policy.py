"""The policy at run time: NumPy alone, so that the robot computer needs no learning library.

Weights carry a leading ensemble dimension of E >= 1 members: layer i is `w{i}` (E, in, out) and `b{i}` (E, 1, out).
`combine` (1,), an index into COMBINE, says how members become one policy; without it their outputs are averaged.
"""

import math
from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.errors import PolicyRejected
from turn_rl_ros.core.memory import Memory
from turn_rl_ros.core.spec import Box, TaskSpec

Weights = Mapping[str, NDArray[np.float32]]

MEAN, MEDIAN, VOTE = COMBINE = ("mean", "median", "vote")
"""Ways to make one policy of an ensemble: by its members' outputs, or, for finitely many actions, by majority."""


LAYER_NORM_EPS = 1e-5
"""What torch adds to the variance."""


class Policy(Protocol):
    """Maps an observation (observation.size,) to an action: (action.size,) float32, or () int64 if discrete."""

    def act(self, observation: NDArray[np.float32]) -> NDArray:
        """The deterministic action."""
        ...


class TanhPolicy:
    """Mean action of a tanh policy (Haarnoja et al. 2018, appendix C), mean or median over the ensemble.

    Besides the layers, `obs_mean` and `obs_std` (observation.size,) normalise the input. The output is scaled to the
    bounds of the action space.
    """

    kind = "tanh_mlp"

    def __init__(self, weights: Weights, spec: TaskSpec) -> None:
        if not isinstance(spec.action, Box):
            raise PolicyRejected("a tanh_mlp policy needs a continuous action space")
        layers = layers_of(weights, spec.observation.size, spec.action.size)
        self._ensemble = len(layers[0][0]) > 1
        # Vector times matrix takes NumPy two thirds of the time of a stack of one.
        self._layers = layers if self._ensemble else [(weight[0], bias[0, 0]) for weight, bias in layers]
        combine = combine_of(weights)
        if combine == VOTE:
            raise PolicyRejected("a tanh_mlp policy has no finitely many actions to vote on")
        self._join = np.median if combine == MEDIAN else np.mean
        self._mean, self._std = vector_of(weights, "obs_mean", spec), vector_of(weights, "obs_std", spec)
        if not (self._std > 0).all():
            raise PolicyRejected("obs_std has an entry that is not positive")
        self._middle, self._half = action_scale(spec.action)

    def act(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        """(action.size,) float32 within the bounds."""
        x = (observation - self._mean) / self._std
        if self._ensemble:
            return self._middle + self._half * self._join(np.tanh(forward(self._layers, x[None, None])[:, 0]), axis=0)
        return self._middle + self._half * np.tanh(forward(self._layers, x))


class ArgmaxPolicy:
    """Arg max of the ensemble's mean or median action value, or the action that most members' arg max is.

    Of actions with equally many votes the one with the greatest mean value acts.
    `one_hot` (observation.size,) holds the number of values of each observation element when the state enters as a
    one-hot vector (a gather of rows of the first layer); without it the observation enters as it is.
    """

    kind = "argmax_q"

    def __init__(self, weights: Weights, spec: TaskSpec, outputs: int = 1) -> None:
        """Check the layers; `outputs` is how many numbers there are for each action."""
        if isinstance(spec.action, Box):
            raise PolicyRejected(f"a policy of kind {self.kind} needs a discrete action space")
        self._sizes = _sizes(weights, spec)
        self._combine = combine_of(weights)
        self._inputs = spec.observation.size if self._sizes is None else math.prod(self._sizes)
        self._layers = layers_of(weights, self._inputs, spec.action.size * outputs)
        self.memory = Memory.read(weights, self._sizes, spec.action.size) if self._sizes is not None else None

    def act(self, observation: NDArray[np.float32]) -> NDArray[np.int64]:
        """() int64."""
        members = self.members(observation)
        values = self._join(members)
        if self._combine == VOTE:
            votes = np.bincount(members.argmax(axis=1), minlength=len(values))
            values = np.where(votes == votes.max(), values, -np.inf)
        return np.array(np.argmax(values), dtype=np.int64)

    def values(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        """Action values of the ensemble, mean or median over its members, (n_actions,)."""
        return self._join(self.members(observation))

    def members(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        """Action values of each member, (E, n_actions)."""
        return self._outputs(self._layers, observation)

    def _join(self, members: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.median(members, axis=0) if self._combine == MEDIAN else members.mean(axis=0)

    def _outputs(self, layers: list[tuple[NDArray, NDArray]], observation: NDArray[np.float32]) -> NDArray[np.float32]:
        """What a network says of one observation, (E, outputs)."""
        if self._sizes is None:
            return forward(layers, observation[None, None])[:, 0]
        index = np.ravel_multi_index(tuple(np.rint(observation).astype(np.int64)), self._sizes, mode="clip")
        (weight, bias), *rest = layers
        first = weight[:, index][:, None] + bias
        return (forward(rest, np.maximum(first, 0.0)) if rest else first)[:, 0]


class CategoricalPolicy(ArgmaxPolicy):
    """Arg max of the means of distributions over `atoms` (N,): each action has N logits (Bellemare et al. 2017)."""

    kind = "categorical_q"

    def __init__(self, weights: Weights, spec: TaskSpec) -> None:
        atoms = weights.get("atoms")
        if atoms is None or atoms.ndim != 1:
            raise PolicyRejected("a categorical_q policy needs atoms, one number each")
        self._atoms = atoms
        super().__init__(weights, spec, len(atoms))

    def members(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        """Mean return of each action as each member has it, (E, n_actions)."""
        logits = self._outputs(self._layers, observation)
        logits = logits.reshape(len(logits), -1, len(self._atoms))
        shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return (shares @ self._atoms) / shares.sum(axis=-1)


class FilteredPolicy(ArgmaxPolicy):
    """Arg max of Q over the actions that a second network, layers `iw{i}` and `ib{i}`, finds likely enough.

    Likely is what has a log probability above the likeliest one's plus `log_threshold` (1,) (Fujimoto et al. 2019).
    """

    kind = "filtered_q"

    def __init__(self, weights: Weights, spec: TaskSpec) -> None:
        super().__init__(weights, spec)
        imitation = {name[1:]: array for name, array in weights.items() if name.startswith(("iw", "ib"))}
        self._imitation = layers_of(imitation, self._inputs, spec.action.size)
        if "log_threshold" not in weights or weights["log_threshold"].shape != (1,):
            raise PolicyRejected("a filtered_q policy needs log_threshold, one number")
        self._log_threshold = float(weights["log_threshold"][0])

    def members(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        """Action values, minus infinity for actions that the ensemble finds too unlikely, (E, n_actions)."""
        logits = self._outputs(self._imitation, observation).mean(axis=0)
        allowed = (logits - logits.max() > self._log_threshold) | (logits == logits.max())
        return np.where(allowed, super().members(observation), -np.inf).astype(np.float32)


def forward(layers: list[tuple[NDArray, NDArray]], x: NDArray, layer_norm: bool = False) -> NDArray:
    """ReLU network without activation at the end; x (1 or E, batch, in) -> (E, batch, out), or (in,) -> (out,).

    `layer_norm`: without learned parameters, before each activation (Ba et al. 2016).
    """
    *hidden, (weight, bias) = layers
    for w, b in hidden:
        x = x @ w + b
        if layer_norm:
            x = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + LAYER_NORM_EPS)
        x = np.maximum(x, 0.0)
    return x @ weight + bias


def action_scale(action: Box) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Middle and half range of a box, (size,) each: what takes an action in [-1, 1] to the units of the task."""
    low, high = np.array(action.low, dtype=np.float32), np.array(action.high, dtype=np.float32)
    return (high + low) / np.float32(2), (high - low) / np.float32(2)


def layers_of(weights: Weights, inputs: int, outputs: int) -> list[tuple[NDArray, NDArray]]:
    """The layers in order; raises PolicyRejected where shapes do not chain from `inputs` to `outputs`."""
    layers: list[tuple[NDArray, NDArray]] = []
    while f"w{len(layers)}" in weights:
        i = len(layers)
        weight, bias = weights[f"w{i}"], weights.get(f"b{i}")
        if weight.ndim != 3 or bias is None or bias.shape != (weight.shape[0], 1, weight.shape[2]):
            raise PolicyRejected(f"layer {i} has shape {weight.shape} with bias {None if bias is None else bias.shape}")
        if layers and len(weight) != len(layers[0][0]):
            raise PolicyRejected(f"layer {i} has {len(weight)} members, layer 0 has {len(layers[0][0])}")
        if weight.shape[1] != inputs:
            raise PolicyRejected(f"layer {i} takes {weight.shape[1]} inputs, it gets {inputs}")
        inputs = weight.shape[2]
        layers.append((weight, bias))
    if not layers or inputs != outputs:
        raise PolicyRejected(f"the network gives {inputs if layers else 0} outputs, the action space needs {outputs}")
    return layers


def combine_of(weights: Weights) -> str:
    """How members become one policy. Raises PolicyRejected."""
    if "combine" not in weights:
        return MEAN
    index = weights["combine"]
    if index.shape != (1,) or index[0] not in range(len(COMBINE)):
        raise PolicyRejected(f"combine is {index.ravel()[:4].tolist()}, not one of 0 to {len(COMBINE) - 1}")
    return COMBINE[int(index[0])]


def _sizes(weights: Weights, spec: TaskSpec) -> tuple[int, ...] | None:
    """`one_hot` as whole numbers; None without it. Raises PolicyRejected."""
    if "one_hot" not in weights:
        return None
    sizes = vector_of(weights, "one_hot", spec)
    # Beyond 2^20 rows no first layer that an artifact may hold could match.
    if not ((sizes >= 1) & (sizes <= 2**20) & (sizes == np.rint(sizes))).all():
        raise PolicyRejected(f"one_hot is {sizes.tolist()}, not a number of values for each observation element")
    return tuple(int(size) for size in sizes)


def vector_of(weights: Weights, name: str, spec: TaskSpec) -> NDArray[np.float32]:
    """A number for each observation element, (observation.size,). Raises PolicyRejected."""
    if name not in weights or weights[name].shape != (spec.observation.size,):
        raise PolicyRejected(f"{name} is missing or has not the shape ({spec.observation.size},)")
    return weights[name]
