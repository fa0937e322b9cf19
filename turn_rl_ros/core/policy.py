"""The policy at run time: NumPy alone, so that the robot computer needs no learning library.

Weights carry a leading ensemble dimension of E >= 1 members: layer i is `w{i}` (E, in, out) and `b{i}` (E, 1, out).
"""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.errors import PolicyRejected
from turn_rl_ros.core.spec import Box, TaskSpec

Weights = Mapping[str, NDArray[np.float32]]


class Policy(Protocol):
    """Maps an observation (observation.size,) to an action: (action.size,) float32, or () int64 if discrete."""

    def act(self, observation: NDArray[np.float32]) -> NDArray:
        """The deterministic action."""
        ...


class TanhPolicy:
    """Mean action of a tanh policy (Haarnoja et al. 2018, appendix C), averaged over the ensemble.

    Besides the layers, `obs_mean` and `obs_std` (observation.size,) normalise the input. The output is scaled to the
    bounds of the action space.
    """

    kind = "tanh_mlp"

    def __init__(self, weights: Weights, spec: TaskSpec) -> None:
        if not isinstance(spec.action, Box):
            raise PolicyRejected("a tanh_mlp policy needs a continuous action space")
        self._layers = _layers(weights, spec.observation.size, spec.action.size)
        self._mean, self._std = _vector(weights, "obs_mean", spec), _vector(weights, "obs_std", spec)
        if not (self._std > 0).all():
            raise PolicyRejected("obs_std has an entry that is not positive")
        low, high = (np.array(bound, dtype=np.float32) for bound in (spec.action.low, spec.action.high))
        self._middle, self._half = (high + low) / 2, (high - low) / 2

    def act(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        """(action.size,) float32 within the bounds."""
        hidden = forward(self._layers, ((observation - self._mean) / self._std)[None, None])
        return self._middle + self._half * np.tanh(hidden[:, 0]).mean(axis=0)


class ArgmaxPolicy:
    """Arg max of the ensemble's mean action value.

    `one_hot` (observation.size,) holds the number of values of each observation element when the state enters as a
    one-hot vector (a gather of rows of the first layer); without it the observation enters as it is.
    """

    kind = "argmax_q"

    def __init__(self, weights: Weights, spec: TaskSpec) -> None:
        if isinstance(spec.action, Box):
            raise PolicyRejected("an argmax_q policy needs a discrete action space")
        self._sizes = weights["one_hot"].astype(np.int64) if "one_hot" in weights else None
        inputs = spec.observation.size if self._sizes is None else int(self._sizes.prod())
        self._layers = _layers(weights, inputs, spec.action.size)

    def act(self, observation: NDArray[np.float32]) -> NDArray[np.int64]:
        """() int64."""
        return np.array(np.argmax(self.values(observation)), dtype=np.int64)

    def values(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        """Action values averaged over the ensemble, (n_actions,)."""
        if self._sizes is None:
            return forward(self._layers, observation[None, None])[:, 0].mean(axis=0)
        index = np.ravel_multi_index(tuple(np.rint(observation).astype(np.int64)), tuple(self._sizes), mode="clip")
        (weight, bias), *rest = self._layers
        first = weight[:, index][:, None] + bias
        return (forward(rest, np.maximum(first, 0.0)) if rest else first)[:, 0].mean(axis=0)


POLICIES: dict[str, type[TanhPolicy] | type[ArgmaxPolicy]] = {p.kind: p for p in (TanhPolicy, ArgmaxPolicy)}


def forward(layers: list[tuple[NDArray, NDArray]], x: NDArray) -> NDArray:
    """ReLU network without activation at the end; x (1 or E, batch, in) -> (E, batch, out)."""
    *hidden, (weight, bias) = layers
    for w, b in hidden:
        x = np.maximum(x @ w + b, 0.0)
    return x @ weight + bias


def _layers(weights: Weights, inputs: int, outputs: int) -> list[tuple[NDArray, NDArray]]:
    """The layers in order; raises PolicyRejected where shapes do not chain from `inputs` to `outputs`."""
    layers: list[tuple[NDArray, NDArray]] = []
    while f"w{len(layers)}" in weights:
        i = len(layers)
        weight, bias = weights[f"w{i}"], weights.get(f"b{i}")
        if weight.ndim != 3 or bias is None or bias.shape != (weight.shape[0], 1, weight.shape[2]):
            raise PolicyRejected(f"layer {i} has shape {weight.shape} with bias {None if bias is None else bias.shape}")
        if weight.shape[1] != inputs:
            raise PolicyRejected(f"layer {i} takes {weight.shape[1]} inputs, it gets {inputs}")
        inputs = weight.shape[2]
        layers.append((weight, bias))
    if not layers or inputs != outputs:
        raise PolicyRejected(f"the network gives {inputs if layers else 0} outputs, the action space needs {outputs}")
    return layers


def _vector(weights: Weights, name: str, spec: TaskSpec) -> NDArray[np.float32]:
    if name not in weights or weights[name].shape != (spec.observation.size,):
        raise PolicyRejected(f"{name} is missing or has not the shape ({spec.observation.size},)")
    return weights[name]
