"""Random numbers for all seeds at once, each seed from a generator of its own."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


class Noise:
    """What seed k draws does not depend on which other seeds run beside it. Shapes are (seeds, *shape), float32."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def normal(self, *shape: int) -> Tensor:
        """Standard normal."""
        return self._stack(torch.randn, shape)

    def uniform(self, *shape: int) -> Tensor:
        """Uniform in [0, 1)."""
        return self._stack(torch.rand, shape)

    def state(self) -> Tensor:
        """Everything that decides what comes next, (seeds, bytes)."""
        return torch.stack([generator.get_state() for generator in self.generators])

    def restore(self, state: Tensor) -> None:
        """Go on from where `state` was taken."""
        for generator, one in zip(self.generators, state, strict=True):
            generator.set_state(one.clone())  # a view of a larger tensor crashes torch

    def _stack(self, draw: Callable[..., Tensor], shape: tuple[int, ...]) -> Tensor:
        if len(self.generators) == 1:
            return draw(1, *shape, generator=self.generators[0])
        return torch.stack([draw(*shape, generator=generator) for generator in self.generators])
