#!/bin/sh
# cleanlab 2.9.0: Datalab calls a row and its double near-duplicates if the features have four columns, not with three.
#
# 60 rows of random numbers; row 1 is twice row 0. Expected: a row and its double are as far apart with four columns as
# with three, and no near-duplicates. Seen: with four columns both are near-duplicates with a score of 0, since
# distances are measured by angle as soon as there are more than three columns. Its documentation tells of the metric;
# the report of duplicates does not.
# Labelsieve looks for near-duplicates in images and texts, by their content.
#
# Installs the pinned packages below in a temporary folder. Fails if the behaviour has changed.
set -eu
python=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check cleanlab==2.9.0 datasets==5.2.0
cat > "$folder/program.py" <<'PROGRAM'
import numpy as np
from cleanlab import Datalab

for columns in (3, 4):
    features = np.random.default_rng(0).uniform(1, 9, (60, columns))
    features[1] = 2 * features[0]
    lab = Datalab({"label": ["a", "b"] * 30}, label_name="label", verbosity=0)
    lab.find_issues(features=features, issue_types={"near_duplicate": {}})
    found = lab.get_issues("near_duplicate")[:2]
    print("columns", columns, *found.is_near_duplicate_issue, *(score < 1e-6 for score in found.near_duplicate_score))
PROGRAM
cd "$folder"
HOME=$folder HF_HUB_OFFLINE=1 venv/bin/python program.py > out 2> err || { cat err; exit 1; }
cat out
three=$(grep '^columns 3 False False False False' out || true)
four=$(grep '^columns 4 True True True True' out || true)
if [ -n "$three" ] && [ -n "$four" ]; then
    echo "As described, in cleanlab 2.9.0."
else
    cat err
    echo "The behaviour has changed."
    exit 1
fi
