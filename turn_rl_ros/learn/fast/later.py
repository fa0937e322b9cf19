"""Metrics that are worked out when somebody looks: a training reports a hundred times, and steps far more often."""

from collections.abc import Callable, Iterator, Mapping

from torch import Tensor


class Later(Mapping[str, Tensor]):
    """The mapping that `make` returns, made at the first look; the tensors that `make` holds must not change."""

    def __init__(self, make: Callable[[], dict[str, Tensor]]) -> None:
        self._make = make
        self._made: dict[str, Tensor] | None = None

    def __getitem__(self, name: str) -> Tensor:
        """One metric."""
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        """Names of the metrics."""
        return iter(self._all())

    def __len__(self) -> int:
        """How many there are."""
        return len(self._all())

    def _all(self) -> dict[str, Tensor]:
        if self._made is None:
            self._made = self._make()
        return self._made
