#!/bin/sh
# Ray 2.60.0: messages about a lost worker go to the standard output of the program, also with log_to_driver=False.
#
# A program that prints its result as JSON, and handles the loss of a worker (its process ends itself here, which stands
# for a machine that was taken away), leaves more than JSON on its standard output. Expected: Ray's own messages go to
# standard error, or are off where log_to_driver=False and logging_level="ERROR" ask for silence.
# Labelsieve drops these messages while it is connected (src/labelsieve/workers/ray_cluster.py, `_quiet`).
#
# Installs the pinned package below in a temporary folder. Fails if the behaviour has changed.
set -eu
python=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check ray==2.60.0
cat > "$folder/program.py" <<'PROGRAM'
import json
import os
import time

import ray

ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")


@ray.remote(max_retries=0)
def lost():
    os._exit(1)


try:
    ray.get(lost.remote())
    state = "finished"
except ray.exceptions.WorkerCrashedError:
    state = "lost"
time.sleep(5)  # the messages come from a thread
print(json.dumps({"worker": state}), flush=True)
PROGRAM
# a home of its own: Ray keeps the token of its clusters there
HOME=$folder RAY_USAGE_STATS_ENABLED=0 "$folder/venv/bin/python" "$folder/program.py" \
    > "$folder/out" 2> "$folder/err" || { tail "$folder/err"; exit 1; }
echo "Ray $("$folder/venv/bin/python" -c 'import ray; print(ray.__version__)'). Expected on standard output: 1 line, {\"worker\": \"lost\"}"
echo "Seen: $(wc -l < "$folder/out") lines, which begin with:"
cut -c1-100 "$folder/out" | head -3
grep -q '^{"worker": "lost"}$' "$folder/out"
if ! grep -q 'A worker died or was killed' "$folder/out"; then
    echo "The behaviour has changed: no message of Ray on standard output." >&2
    exit 1
fi
