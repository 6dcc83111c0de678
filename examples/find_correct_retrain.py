"""Find wrong labels, correct them, and train again: what is gained?

A fifth of the labels of some handwritten digits are made wrong. `ls.find` flags the doubtful ones, a reviewer looks at
these and at nothing else, `ls.apply` writes the corrected copy, and the same classifier is trained on both. It is
measured on other digits, whose labels are true.

The reviewer of this example is simulated and knows the true labels. Yours looks at `labelsieve review`.
"""

import csv
import tempfile
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

import labelsieve as ls


def accuracy(X, labels, X_test, y_test):
    """The accuracy on clean test data of a classifier that was trained on these labels, in per cent."""
    return 100 * SVC(gamma=0.001, C=100).fit(X, labels).score(X_test, y_test)


def main(folder: Path):
    X, y = load_digits(return_X_y=True)
    X, X_test, truth, y_test = train_test_split(X, y, test_size=0.4, random_state=0)
    given = ls.noise(ls.load(X, labels=truth), rate="20%", seed=0).labels
    print(f"{len(X):,} digits to learn from; {(given != truth).sum()} of the labels are wrong.")

    findings = ls.find(X, labels=given, out=folder / "digits.sieve", progress=False)
    flagged = np.flatnonzero(findings.flagged)
    print(f"Labelsieve expects {findings.wrong.count:.0f} wrong labels and flags {len(flagged)}.")

    with open(folder / "answers.csv", "w", newline="") as file:  # the reviewer fills in a sheet
        sheet = csv.writer(file)
        sheet.writerow(["id", "given_label", "decision", "label"])
        for i in flagged:
            right = truth[i] == given[i]
            sheet.writerow([findings.ids[i], given[i], "keep" if right else "relabel", truth[i]])
    ls.import_decisions(folder / "digits.sieve", folder / "answers.csv", from_="csv", reviewer="ana")
    done = ls.apply(folder / "digits.sieve", out=folder / "clean")
    print(f"The reviewer looked at {len(flagged)} labels and corrected {done.relabelled}.")

    clean = ls.load(folder / "clean" / "data.npz")
    corrected = np.array(clean.classes, int)[clean.labels]
    before, after, best = (accuracy(X, labels, X_test, y_test) for labels in (given, corrected, truth))
    print(f"Accuracy on {len(X_test)} clean digits: {before:.1f} % before, {after:.1f} % after the correction;")
    print(f"with all labels right it would be {best:.1f} %.")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        main(Path(name))
