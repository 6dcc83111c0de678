"""The inputs of `find`: data, probabilities of the user's own model, a record of the user's own training."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from labelsieve.core.dataset import Dataset, require_sound
from labelsieve.core.errors import UserError
from labelsieve.core.record import Record
from labelsieve.evidence import from_record

RECORD = (
    "The record of your own training judges the labels. The network had seen the labels, so the count is rougher than "
    "with out-of-sample probabilities; pass those with the record if you have them."
)


def read_input(data: Any, probs: Any, record: Any, columns: dict[str, Any]) -> tuple[Dataset, Record | None]:
    """The data, and the record of the user's own training in their order."""
    if data is None and probs is None and record is None:
        raise UserError(
            "Pass the data, or <probs> or <record> of your own model with <labels>.",
            probs="",
            record="",
            labels="",
        )
    dynamics = None if record is None else from_record.read_record(record)
    judge = probs
    if dynamics is not None and probs is None:
        judge = from_record.predicted(dynamics, columns.get("labels"))
    what = "record" if probs is None else "probs"
    dataset = _without_data(judge, columns, what) if data is None else _dataset(data, judge, columns)
    if dynamics is None:
        return dataset, None
    dynamics = from_record.of_rows(dynamics, from_record.columns_of(dynamics, dataset))
    from_record.require_same_labels(dynamics, dataset)
    if probs is not None:
        return dataset, dynamics
    learnt = from_record.while_learning(dynamics, dataset.labels, len(dataset.classes))
    own = {"inputs": learnt} if dataset.probs is None else {"probs": learnt}
    source = "the record" if data is None else dataset.source
    return replace(dataset, source=source, notes=(*dataset.notes, RECORD), **own), dynamics


def _dataset(data: Any, probs: Any, columns: dict[str, Any]) -> Dataset:
    if not isinstance(data, Dataset):
        from labelsieve.data import load

        return load(data, probs=probs, **{"background": "auto", **columns})
    require_sound(data)
    if columns:
        raise UserError(f"The data are already loaded, so {', '.join(columns)} has no effect here; pass it to `load`.")
    if probs is None:
        return data
    from labelsieve.data.beside import beside
    from labelsieve.data.finish import handed, recipe

    named = {**(data.handed or data.recipe or {"source": data}), "probs": probs}
    return replace(beside(data, probs), recipe=recipe(named), handed=handed(named))


def _without_data(judge: Any, columns: dict[str, Any], what: str) -> Dataset:
    """The data if there are only probabilities, or a record, and labels."""
    from labelsieve.data import load_probabilities

    columns = dict(columns)
    if columns.get("labels") is None:
        raise UserError(
            f"<{what}> without data needs the given labels: <labels>, one per example.", **{what: "", "labels": ""}
        )
    if unused := sorted(set(columns) - {"labels", "label", "id", "several"}):
        raise UserError(
            f"<{what}> without data takes labels, label and id; leave out {', '.join(unused)}, or pass the data.",
            **{what: ""},
        )
    return load_probabilities(judge, columns.pop("labels"), **columns)
