"""Parquet tables as arrays and back. Needs pyarrow, which is imported when it is used."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.data.exchange.checks import ExchangeError


def require_pyarrow() -> tuple[Any, Any]:
    """The modules pyarrow and pyarrow.parquet. Raises ExchangeError that says how to get them."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ExchangeError("LeRobot's files are Parquet: pip install 'turn_rl_ros[lerobot]'") from error
    return pyarrow, pyarrow.parquet


def read_columns(files: list[Path], keys: list[str]) -> dict[str, NDArray]:
    """These columns of all files, one after the other: (rows,) or, for lists of one length, (rows, size).

    Raises:
        ExchangeError: a file is no Parquet, or a column is missing, has a row without a value or rows of two lengths.
    """
    pa, pq = require_pyarrow()
    tables = []
    for file in files:
        try:
            tables.append(pq.ParquetFile(file).read(columns=keys, use_threads=False))
        except (OSError, ValueError, NotImplementedError) as error:
            raise ExchangeError(f"{file.name} is not readable Parquet: {str(error).splitlines()[0]}") from error
        if missing := [key for key in keys if key not in tables[-1].column_names]:
            raise ExchangeError(f"{missing[0]} is missing in {file.name}")
    whole = pa.concat_tables(tables)
    return {key: _as_array(pa, key, whole[key]) for key in keys}


def write_table(path: Path, columns: Mapping[str, Any]) -> None:
    """One Parquet file; a column (rows, size) becomes lists of fixed size, or plain values where the size is one."""
    pa, pq = require_pyarrow()
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({key: _as_list(pa, values) for key, values in columns.items()})
    pq.write_table(table, path, use_dictionary=False)  # numbers hardly repeat


def write_indexed(path: Path, index: list[str], name: str, values: list[int]) -> None:
    """One column of whole numbers as a pandas frame with this index, without pandas."""
    pa, pq = require_pyarrow()
    key = "__index_level_0__"
    described = [
        {"name": name, "field_name": name, "pandas_type": "int64", "numpy_type": "int64", "metadata": None},
        {"name": None, "field_name": key, "pandas_type": "unicode", "numpy_type": "object", "metadata": None},
    ]
    pandas = {"index_columns": [key], "column_indexes": [], "columns": described}
    pq.write_table(pa.table({name: values, key: index}).replace_schema_metadata({"pandas": json.dumps(pandas)}), path)


def _as_array(pa: Any, key: str, column: Any) -> NDArray:
    column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], pa.float32())
    if column.null_count:
        raise ExchangeError(f"{key} has {column.null_count} rows without a value")
    if not (pa.types.is_list(column.type) or pa.types.is_fixed_size_list(column.type)):
        return np.asarray(column.to_numpy(zero_copy_only=False))
    sizes = np.asarray(column.value_lengths().to_numpy(zero_copy_only=False))
    if len(sizes) and (other := np.flatnonzero(sizes != sizes[0])).size:
        raise ExchangeError(f"{key} has {sizes[other[0]]} values at row {other[0]}, {sizes[0]} at row 0")
    return np.asarray(column.flatten().to_numpy(zero_copy_only=False)).reshape(len(column), -1)


def _as_list(pa: Any, values: Any) -> Any:
    if not isinstance(values, np.ndarray) or values.ndim == 1:
        return pa.array(values)
    if values.shape[1] == 1:
        return pa.array(values[:, 0])
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])
