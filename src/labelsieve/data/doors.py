"""What to do with files that are not read: the rows of the table "Your format, your way" in docs/ways-in.md that name
another door. Every refusal quotes its row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from labelsieve.places import paths

_TABLE = "name it `.csv` or `.tsv`, with a first line of column names"
_FEATURES = "compute features, one row per file, and read that table or `.npz`"
DOORS: dict[tuple[str, ...], tuple[str, str]] = {  # suffixes -> what such a file is, and the way
    (".xlsx", ".xls", ".xlsm", ".ods"): (
        "a spreadsheet",
        "save the sheet as CSV (UTF-8), or `labelsieve.load(pandas.read_excel(FILE))`",
    ),
    (".pkl", ".pickle", ".joblib", ".pt", ".pth"): (
        "a pickle, which runs code when it is opened",
        "open it yourself if you trust it, and `labelsieve.load(VALUE)`",
    ),
    (".ndjson", ".jsonlines"): ("JSON Lines", "name it `.jsonl`"),
    (".data", ".dat", ".tab", ".psv"): ("a table in a text file", _TABLE),
    (".rds", ".rdata", ".rda"): ("a file of R", 'in R `write.csv(x, "x.csv", row.names = FALSE)`'),
    (".sav", ".dta", ".sas7bdat", ".xpt"): (
        "a file of SPSS, Stata or SAS",
        "`labelsieve.load(pandas.read_spss(FILE))`, `read_stata`, `read_sas`",
    ),
    (".orc", ".avro"): ("a table of ORC or Avro", "`labelsieve.load(FRAME)`, read by pyarrow or Polars"),
    (".wav", ".mp3", ".flac", ".ogg", ".opus", ".m4a"): ("sounds", _FEATURES),
    (".mp4", ".avi", ".mov", ".mkv", ".webm"): ("videos", _FEATURES),
    (".nii", ".mha", ".nrrd", ".ply", ".las", ".svs"): ("a volume or a cloud of points", _FEATURES),
    (".tar", ".tgz", ".rar", ".7z"): ("an archive without samples of WebDataset", "unpack it, `find FOLDER`"),
    (".zip",): ("an archive", "`find zip://::FILE`; with a folder around the classes `find zip://FOLDER::FILE`"),
}
TEXTS = "a table with a column `text` and a column `label`, one row per file"
TOOLS = "export them there as COCO, YOLO or Pascal VOC"  # LabelMe, VIA, Labelbox, Supervisely
_WAYS = {suffix: told for suffixes, told in DOORS.items() for suffix in suffixes}


def door(name: str) -> str:
    """Two sentences about a file that is not read: what it is, and the way; "" if no row of the table says so."""
    what, way = _WAYS.get(paths.suffix(name), ("", ""))
    return f"{name} is {what}. Your way: {_filled(way, name)}." if what else ""


def door_of_folder(root: str, names: Iterable[str]) -> str:
    """The same about a folder whose files, at any depth, are not images."""
    found = Counter(paths.suffix(name) for name in names).most_common(1)
    suffix = found[0][0] if found else None
    if suffix in ("", ".txt"):
        return f"The files in {root} are texts. Your way: {TEXTS}."
    what, way = _WAYS.get(suffix or "", ("", ""))
    if suffix == ".npy":
        what, way = "arrays, one per example", _FEATURES
    return f"The files in {root} are {what}. Your way: {way}." if what else ""


def _filled(way: str, name: str) -> str:
    return way.replace("FILE", name) if "(FILE" not in way else way.replace("(FILE", f"({name!r}")


def plain_name(name: str) -> str:
    """The same name for the same place: without "./" before it and "/" behind it."""
    return name if paths.is_remote(name) else name.removeprefix("./").rstrip("/") or name
