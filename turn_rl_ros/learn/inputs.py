"""What enters a network: the observation, normalised, or as a one-hot index."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from turn_rl_ros.core.spec import TaskSpec


class Inputs:
    """Turns observations (..., observation.size) into network inputs, the same for all seeds.

    Either float32 (..., size) of mean 0 and standard deviation 1, or, for a one-hot input, int64 (...) in [0, size).
    """

    def __init__(self, spec: TaskSpec, observations: NDArray[np.float32], one_hot: bool) -> None:
        self.one_hot = one_hot
        self._sizes = np.array([round(high) + 1 for high in spec.observation.high]) if one_hot else np.zeros(0, int)
        self.mean = observations.mean(0)
        std = observations.std(0)
        self.std = np.where(std > 1e-3, std, 1.0).astype(np.float32)  # a constant input becomes 0, not infinite
        self.size = int(self._sizes.prod()) if one_hot else observations.shape[1]

    def __call__(self, observations: NDArray[np.float32]) -> Tensor:
        """Network inputs of any number of observations."""
        if not self.one_hot:
            return torch.from_numpy((observations - self.mean) / self.std)
        whole = np.moveaxis(np.rint(observations).astype(np.int64), -1, 0)
        return torch.from_numpy(np.ravel_multi_index(tuple(whole), tuple(self._sizes), mode="clip"))

    def artifact(self) -> dict[str, NDArray[np.float32]]:
        """What a policy needs beside its layers to do the same."""
        if self.one_hot:
            return {"one_hot": self._sizes.astype(np.float32)}
        return {"obs_mean": self.mean, "obs_std": self.std}

    def fold(self, layers: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        """Layers that take the observation as it is: the normalisation moves into the first one; one-hot stays told."""
        if self.one_hot:
            return {**layers, **self.artifact()}
        weight = layers["w0"] / self.std[:, None]
        return {**layers, "w0": weight, "b0": layers["b0"] - (self.mean @ weight)[:, None]}
