"""From a transition to the bytes of one record: the inner loop of recording, so it goes by bytes, not by fields."""

import struct
from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.transition import Transition
from turn_rl_ros.data.errors import SessionError
from turn_rl_ros.data.schema import SCALARS, VECTORS

_vectors = attrgetter(*VECTORS.values())
_types = attrgetter(*(f"{name}.dtype" for name in VECTORS.values()))
_lengths = attrgetter(*(f"{name}.nbytes" for name in VECTORS.values()))
_scalars = attrgetter(*SCALARS.values())
_CODES = {"f4": "f", "b1": "?", "i4": "i", "i8": "q"}
"""NumPy's type -> struct's."""


class RowPacker:
    """Packs transitions as records of `schema.row_dtype`: the vectors one after the other, then the plain numbers."""

    def __init__(self, dtype: np.dtype) -> None:
        self.dtype = dtype
        self._types = tuple(dtype[name].base for name in VECTORS)
        self._shapes = tuple(dtype[name].shape for name in VECTORS)
        self._bytes = tuple(dtype[name].itemsize for name in VECTORS)
        self._numbers = struct.Struct("<" + "".join(_CODES[dtype[name].str[1:]] for name in SCALARS))

    def __call__(self, transition: Transition) -> bytes:
        """The record of one transition.

        A command that nobody recorded is NaN, not zero.

        Raises:
            SessionError: a field has another shape than the task's, or is not a number; names the field.
        """
        try:
            numbers = self._numbers.pack(*_scalars(transition))
        except (struct.error, OverflowError) as error:
            raise SessionError(f"{', '.join(SCALARS)} of a transition: {error}") from error
        try:
            if _types(transition) == self._types and _lengths(transition) == self._bytes:
                return b"".join((*_vectors(transition), numbers))
        except (AttributeError, TypeError):
            pass  # a plain number or list where NumPy's would do, or an array with gaps
        return b"".join((*self._convert(transition), numbers))

    def table(self, transitions: Sequence[Transition]) -> NDArray:
        """Records of many transitions, (n,). Raises SessionError."""
        return np.frombuffer(b"".join(map(self, transitions)), self.dtype).copy()

    def _convert(self, transition: Transition) -> list[bytes]:
        parts = []
        for field, value, kind, shape in zip(
            VECTORS.values(), _vectors(transition), self._types, self._shapes, strict=True
        ):
            parts.append(self._vector(field, value, kind, shape).tobytes())
        return parts

    def _vector(self, field: str, value: Any, kind: np.dtype, shape: tuple[int, ...]) -> NDArray:
        if field == "command" and np.size(value) == 0:
            return np.full(shape, np.nan)
        try:
            array = np.asarray(value, kind)
        except (TypeError, ValueError) as error:
            raise SessionError(f"{field} of a transition: {error}") from error
        if array.shape != shape:
            raise SessionError(f"{field} has shape {array.shape} in a transition, the task needs {shape}")
        return array
