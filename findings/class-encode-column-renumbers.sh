#!/bin/sh
# datasets 5.2.0: `class_encode_column` gives whole-number labels other numbers as soon as there are more than ten.
#
# A column holds the classes 0 to 11 as whole numbers. `train_test_split(stratify_by_column=...)` wants a ClassLabel,
# and `class_encode_column` makes one. Expected: the numbers stay, since they are class numbers already. Seen: the
# classes are sorted as text ("0", "1", "10", "11", "2", ...), so that 2 becomes 4 and 10 becomes 2, without a message.
# With ten classes or fewer nothing changes. Predictions that were made before no longer fit the labels.
# `cast_column` with ClassLabel(num_classes=12) keeps the numbers.
# Labelsieve reads the names beside the numbers; columns of your own probabilities must be in the order of these names.
#
# Installs the pinned package below in a temporary folder. Fails if the behaviour has changed.
set -eu
python=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check datasets==5.2.0
cat > "$folder/program.py" <<'PROGRAM'
from datasets import ClassLabel, Dataset

for classes in (10, 12):
    rows = Dataset.from_dict({"label": list(range(classes))})
    print(classes, "encoded:", *rows.class_encode_column("label")["label"])
    print(classes, "cast:", *rows.cast_column("label", ClassLabel(num_classes=classes))["label"])
PROGRAM
cd "$folder"
export HOME="$folder" HF_HUB_OFFLINE=1 HF_DATASETS_DISABLE_PROGRESS_BARS=1
venv/bin/python program.py > out 2> err || { cat err; exit 1; }
cat > expected <<'EXPECTED'
10 encoded: 0 1 2 3 4 5 6 7 8 9
10 cast: 0 1 2 3 4 5 6 7 8 9
12 encoded: 0 1 4 5 6 7 8 9 10 11 2 3
12 cast: 0 1 2 3 4 5 6 7 8 9 10 11
EXPECTED
cat out
if cmp -s out expected; then
    echo "As described, in datasets 5.2.0."
else
    cat err
    echo "The behaviour has changed."
    exit 1
fi
