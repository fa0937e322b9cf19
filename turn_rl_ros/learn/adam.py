"""Adam (Kingma and Ba 2015) on one buffer, by torch's fused kernel.

`torch.optim.Adam` takes the same steps, but its constructor imports torch's compiler, 70 MB and two seconds a process,
and its bookkeeping costs a small network as much as its forward pass.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

BETAS, EPSILON = (0.9, 0.999), 1e-8
"""The paper's."""


class Adam:
    """Steps down the gradient of one tensor, with what they remember of earlier gradients."""

    def __init__(self, values: Tensor) -> None:
        """Bind to `values`, whose `.grad` each step reads."""
        self._values = values
        self._first, self._second = torch.zeros_like(values), torch.zeros_like(values)
        self._steps = torch.zeros(())

    @property
    def steps(self) -> int:
        """Steps taken so far."""
        return int(self._steps)

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Take one step of size `rate` with the gradient that is there."""
        assert self._values.grad is not None
        self._steps += 1
        torch._fused_adam_(
            [self._values],
            [self._values.grad],
            [self._first],
            [self._second],
            [],
            [self._steps],
            lr=rate,
            beta1=BETAS[0],
            beta2=BETAS[1],
            weight_decay=0.0,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )

    def state(self) -> dict[str, Tensor]:
        """What the next step depends on beside values and gradient, sharing memory."""
        return {"step": self._steps, "exp_avg": self._first, "exp_avg_sq": self._second}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a `state`."""
        for name, mine in self.state().items():
            mine.copy_(state[name])
