"""SageMaker Ground Truth's output manifest: JSON Lines with `source-ref` (or `source`), NAME and NAME-metadata
(docs.aws.amazon.com/sagemaker/latest/dg/sms-data-output.html).

The class of an object is `class-name` in the metadata of the label attribute NAME, whose value is the number of the
class; several are a list of numbers, and `class-map` their names. An object that failed has `failure-reason` in place
of a class. In a corrected copy `human-annotated` stays, and `confidence` is 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from labelsieve.core.errors import UserError
from labelsieve.formats.content import Content, Names
from labelsieve.formats.media_beside import inputs_of, not_copied
from labelsieve.formats.records import Record, first_record, one_name, read_records, unique_ids, write_records
from labelsieve.places import paths

_METADATA = "-metadata"
_SOURCES = ("source-ref", "source")


def recognises(place: str) -> bool:
    if not place.lower().endswith((".manifest", ".jsonl", ".json")) or not paths.is_file(place):
        return False
    record = first_record(place)
    return any(name in record for name in _SOURCES) and any(name.endswith(_METADATA) for name in record)


def read(place: str, *, label: str | None = None, id: str | None = None) -> Content:
    """`label` names the label attribute; the ids are the field `id`, else the names of the sources, else row numbers.

    Raises:
        UserError: there is no attribute of classification, or there are several.
    """
    records = read_records(place)
    name = _attribute(records, place, label)
    source = next((key for key in _SOURCES if key in records[0]), None)
    if source is None or any(source not in record for record in records):
        raise UserError(f"An object in {place} has no {source or 'source-ref'}.")
    sets: list[Names | None] = []
    unlabelled: dict[int, str] = {}
    for i, record in enumerate(records):
        about = record.get(name + _METADATA) or {}
        if name not in record or "failure-reason" in about:
            unlabelled[i] = f"labelling failed: {about.get('failure-reason', f'it has no {name!r}')}"
            sets.append(None)
        else:
            sets.append(_given(record, name))
    kind = "image" if source == "source-ref" else "text"
    inputs, unusable = inputs_of([record[source] for record in records], kind, place)
    if id is not None:
        one_name({key for record in records for key in record}, "id", place, "field", id)
    names = unique_ids(records, "source-ref", range(len(records)), named=False)
    ids = unique_ids(records, id or "id", names, named=id is not None)
    return Content(ids, None, inputs, kind, sets=sets, unlabelled=unlabelled, unusable=unusable)


def write_sets(
    place: str, content: Content, changes: Mapping[str, Names | None], out: Path, *, label: str | None = None
) -> tuple[str, ...]:
    records = read_records(place)
    name = _attribute(records, place, label)
    codes = _codes(records, name)
    kept = []
    for key, record in zip(content.ids or (), records, strict=True):
        if key not in changes:
            kept.append(record)
        elif (new := changes[key]) is not None:
            for one in new:
                codes.setdefault(one, max(codes.values(), default=-1) + 1)
            kept.append({**record, **_written(record, name, {one: codes[one] for one in new})})
    write_records(kept, place, out)
    return not_copied(content.inputs)


def _given(record: Record, name: str) -> Names:
    about = record.get(name + _METADATA) or {}
    if "class-map" in about:
        return tuple(map(str, about["class-map"].values()))
    return (str(about.get("class-name", record[name])),)


def _written(record: Record, name: str, new: Mapping[str, int]) -> Record:
    """The label of an object with new classes, name -> number.

    Raises:
        UserError: the labelling job gives each object one class.
    """
    about = {key: value for key, value in (record.get(name + _METADATA) or {}).items() if key != "failure-reason"}
    if "class-map" in about:
        about |= {"class-map": {str(code): one for one, code in new.items()}}
        if (known := about.get("confidence-map")) is not None:
            about |= {"confidence-map": {str(code): known.get(str(code), 1.0) for code in new.values()}}
        return {name: [*new.values()], name + _METADATA: about}
    if len(new) != 1:
        raise UserError(f"The label attribute {name!r} holds one class per object, not {len(new)}.")
    ((only, code),) = new.items()
    return {name: code, name + _METADATA: {**about, "class-name": only, "confidence": 1.0}}


def _codes(records: Sequence[Record], name: str) -> dict[str, int]:
    """Class name -> its number in the manifest."""
    codes: dict[str, int] = {}
    for record in records:
        about = record.get(name + _METADATA) or {}
        codes |= {known: int(code) for code, known in (about.get("class-map") or {}).items()}
        if "class-name" in about and isinstance(record.get(name), int):
            codes[about["class-name"]] = record[name]
    return codes


def _attribute(records: Sequence[Record], place: str, named: str | None) -> str:
    found = {
        key.removesuffix(_METADATA)
        for record in records
        for key, about in record.items()
        if key.endswith(_METADATA) and isinstance(about, dict) and about.keys() & {"class-name", "class-map"}
    }
    return one_name(sorted(found), "label", place, "label attribute of classification", named)
