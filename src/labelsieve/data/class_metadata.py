"""Names of classes in the metadata that Hugging Face `datasets` keeps in the schema of its Parquet and Arrow files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

_KEY = b"huggingface"


def class_names_in(schema: pa.Schema, column: str) -> tuple[str, ...] | None:
    """The names of the classes that the whole numbers in a column stand for; None if the schema has none."""
    from pyarrow import types

    feature = _features(schema).get(column)
    names = feature.get("names") if isinstance(feature, dict) else None
    if not isinstance(names, list) or not names or not types.is_integer(schema.field(column).type):
        return None
    return tuple(map(str, names))


def coded_columns(schema: pa.Schema) -> dict[str, tuple[str, ...]]:
    """The columns of whole numbers that stand for classes, with the names of these classes."""
    named = {column: class_names_in(schema, column) for column in _features(schema) if column in schema.names}
    return {column: names for column, names in named.items() if names is not None}


def class_names_of_lists(schema: pa.Schema, column: str) -> tuple[str, ...] | None:
    """As `class_names_in`, of a column of lists of whole numbers."""
    from pyarrow import types

    feature = _features(schema).get(column)
    feature = feature[0] if isinstance(feature, list) and feature else feature
    inner = feature.get("feature", feature) if isinstance(feature, dict) else None
    names = inner.get("names") if isinstance(inner, dict) else None
    kind = schema.field(column).type
    lists = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    if not isinstance(names, list) or not names or not lists or not types.is_integer(kind.value_type):
        return None
    return tuple(map(str, names))


def with_features(table: pa.Table, features: dict[str, Any]) -> pa.Table:
    """The table with features of `datasets`, as `Features.to_dict` gives them, in its metadata."""
    metadata = dict(table.schema.metadata or {})
    return table.replace_schema_metadata({**metadata, _KEY: json.dumps({"info": {"features": features}}).encode()})


def with_class_names(table: pa.Table, columns: Sequence[str], names: Sequence[str]) -> pa.Table:
    """The table with names of the classes of some columns in its metadata; the first has some already."""
    metadata = dict(table.schema.metadata)
    whole = json.loads(metadata[_KEY])
    features = whole["info"]["features"]
    features |= {column: {**features[columns[0]], "names": list(names)} for column in columns}
    return table.replace_schema_metadata({**metadata, _KEY: json.dumps(whole).encode()})


def _features(schema: pa.Schema) -> dict[str, Any]:
    try:
        features = json.loads((schema.metadata or {}).get(_KEY, b"{}"))["info"]["features"]
    except (ValueError, KeyError, TypeError):  # metadata of another program
        return {}
    return features if isinstance(features, dict) else {}
