#!/bin/sh
# datasets 5.2.0: Parquet files that number their classes differently are read with the names of one of them.
#
# Two files were written by `to_parquet`. Both hold "cat", "cat", "dog"; one lists its classes as cat, dog, the other as
# dog, cat, and each says so in its own metadata. Each file read alone has the right labels. Expected of both together:
# the labels of each file, or an error, as `concatenate_datasets` gives. Seen: no error and no message; the numbers of
# the second file get the names of the first, so every cat of it is a dog. The same happens to a file for `test` beside
# one for `train`.
# Labelsieve reads each file with its own names, and refuses such a folder behind `hf:`.
#
# Installs the pinned package below in a temporary folder. Fails if the behaviour has changed.
set -eu
python=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check datasets==5.2.0
cat > "$folder/program.py" <<'PROGRAM'
import datasets
from datasets import ClassLabel, Dataset, Features, concatenate_datasets, load_dataset


def words(rows):
    return " ".join(rows.features["label"].int2str(number) for number in rows["label"])


for name, classes in {"a": ["cat", "dog"], "b": ["dog", "cat"]}.items():
    features = Features({"label": ClassLabel(names=classes)})
    Dataset.from_dict({"label": ["cat", "cat", "dog"]}, features=features).to_parquet(f"{name}.parquet")
alone = [load_dataset("parquet", data_files=f"{name}.parquet", split="train") for name in "ab"]
print("alone:", *(words(rows) for rows in alone), sep=" | ")
print("both:", words(load_dataset("parquet", data_files=["a.parquet", "b.parquet"], split="train")), sep=" | ")
splits = load_dataset("parquet", data_files={"train": "a.parquet", "test": "b.parquet"})
print("splits:", words(splits["train"]), words(splits["test"]), sep=" | ")
try:
    concatenate_datasets(alone)
except ValueError:
    print("concatenate_datasets: refused")
PROGRAM
cd "$folder"
export HOME="$folder" HF_HUB_OFFLINE=1 HF_DATASETS_DISABLE_PROGRESS_BARS=1
venv/bin/python program.py > out 2> err || { cat err; exit 1; }
cat > expected <<'EXPECTED'
alone: | cat cat dog | cat cat dog
both: | cat cat dog dog dog cat
splits: | cat cat dog | dog dog cat
concatenate_datasets: refused
EXPECTED
cat out
if cmp -s out expected && ! grep -qi "class\|label\|feature" err; then
    echo "As described, in datasets 5.2.0."
else
    cat err
    echo "The behaviour has changed."
    exit 1
fi
