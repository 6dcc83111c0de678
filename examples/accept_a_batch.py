"""Two vendors deliver labels; at most 3 % may be wrong. Accept or reject, after as few looks as possible.

`ls.accept` draws a random sample of the batch, and after each answer it knows an interval that holds the number of
wrong labels with a confidence of 95 %, however often one looks. As soon as the interval lies below the limit the batch
is accepted, and as soon as it lies above, rejected. Nobody checks the whole batch.

The reviewer is simulated: it knows the true digits. A person answers on the page that
`labelsieve review RUN --sample accept-batch` opens.
"""

import tempfile
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import labelsieve as ls

LIMIT, STEP = 0.03, 20  # the share of wrong labels that is good enough; answers between two looks at the verdict
VENDORS = {"careful": "0.5%", "careless": "8%"}


def main(folder: Path):
    X, truth = load_digits(return_X_y=True)
    for vendor, rate in VENDORS.items():
        noisy = ls.noise(ls.load(X, labels=truth), rate=rate, seed=0)
        batch = ls.load(X, labels=noisy.labels)
        right = dict(zip(batch.ids, map(str, truth), strict=True))
        run = folder / f"{vendor}.sieve"
        ls.find(batch, out=run, progress=False)

        state, answered = ls.accept(run, max_error=LIMIT), 0
        while state.verdict is None or (state.verdict == "go on" and answered < len(X)):
            if answered >= len(state.sample.ids):
                state = ls.accept(run, size=2 * answered)
            answers = {id: right[id] for id in state.sample.ids[answered : answered + STEP]}
            ls.add_decisions(run, answers, reviewer="ana", sample=state.sample.name)
            answered = min(answered + STEP, len(state.sample.ids))
            state = ls.accept(run)

        share = np.mean(noisy.labels != truth)
        low, high = (100 * count / len(X) for count in (state.result.wrong.low, state.result.wrong.high))
        print(f"The {vendor} vendor: {state.verdict} after {answered} of {len(X):,} labels.")
        print(f"  Between {low:.1f} and {high:.1f} % are wrong, with a confidence of 95 %; truly {100 * share:.1f} %.")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        main(Path(name))
