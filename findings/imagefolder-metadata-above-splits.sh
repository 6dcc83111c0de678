#!/bin/sh
# datasets 5.2.0: `imagefolder` does not read a metadata.csv above the split folders, and says nothing.
#
# Images lie in train/ and test/, and one metadata.csv beside these folders names them (`train/0.png`) with their
# labels. Expected: the labels of that file, or an error. Seen: the names of the split folders become the classes, every
# label of train is missing, every label of test is the class "test". With one metadata.csv inside each split folder the
# labels are right.
# Labelsieve reads both layouts and keeps them; docs/ways-in.md says to move the table before `load_dataset` reads it.
#
# Installs the pinned packages below in a temporary folder. Fails if the behaviour has changed.
set -eu
python=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check datasets==5.2.0 pillow==13.0.0
cat > "$folder/program.py" <<'PROGRAM'
import csv
import json
import os

import datasets
from PIL import Image


def made(folder, inside):
    """Six pictures in two splits; one table above the splits, or one inside each."""
    rows = {"train": [], "test": []}
    for split, n in (("train", 4), ("test", 2)):
        os.makedirs(f"{folder}/{split}")
        for i in range(n):
            Image.new("RGB", (8, 8), (20 * i, 0, 0)).save(f"{folder}/{split}/{i}.png")
            rows[split].append((f"{i}.png" if inside else f"{split}/{i}.png", ("cat", "dog")[i % 2]))
    tables = {folder: rows["train"] + rows["test"]}
    if inside:
        tables = {f"{folder}/{split}": some for split, some in rows.items()}
    for place, some in tables.items():
        with open(f"{place}/metadata.csv", "w", newline="") as file:
            csv.writer(file).writerows([("file_name", "label"), *some])
    return datasets.load_dataset("imagefolder", data_dir=folder, cache_dir=f"{folder}-cache")


above, inside = made("above", False), made("inside", True)
print(
    json.dumps(
        {
            "above": {"classes": above["train"].features["label"].names, "train": above["train"]["label"][:]},
            "inside": {split: inside[split]["label"][:] for split in ("train", "test")},
        }
    )
)
PROGRAM
cd "$folder"
HOME=$folder HF_HUB_OFFLINE=1 venv/bin/python program.py > out 2> err || { cat err; exit 1; }
cat out
above='{"above": {"classes": ["test", "train"], "train": [null, null, null, null]}'
inside='"inside": {"train": ["cat", "dog", "cat", "dog"], "test": ["cat", "dog"]}}'
if [ "$(tail -n 1 out)" = "$above, $inside" ]; then
    echo "As described, in datasets 5.2.0."
else
    echo "The behaviour has changed."
    exit 1
fi
