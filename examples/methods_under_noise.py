"""Which training method withstands wrong labels best, when 40 % of them are wrong?

`ls.compare` trains a linear classifier with each method and several seeds on the wrong labels, and measures it on test
data whose labels are true. It says which differences are more than luck.
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import labelsieve as ls

METHODS = ["standard", "gce", "elr", "piecewise-zero", "m-dyr-h"]


def main():
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X / 16, y, test_size=0.4, random_state=0)
    clean, test = ls.load(X, labels=y), ls.load(X_test, labels=y_test)
    noisy = ls.load(X, labels=ls.noise(clean, rate="40%", seed=0).labels)

    result = ls.compare(noisy, test=test, methods=METHODS, seeds=3, progress=False)
    print(f"{len(X):,} digits, 40 % of them with a wrong label; accuracy on {len(X_test)} clean ones:")
    for row in result.rows:
        print(f"  {row.method:15} {100 * row.accuracy:.1f} % ± {100 * row.margin:.1f}")
    reference = ls.compare(clean, test=test, methods=["standard"], seeds=3, progress=False).rows[0]
    print(f"  {'no wrong labels':15} {100 * reference.accuracy:.1f} % ± {100 * reference.margin:.1f}  (standard)")
    best, standard = result.rows[0], next(row for row in result.rows if row.method == "standard")
    if best.accuracy - standard.accuracy > np.hypot(best.margin, standard.margin):
        print(f"{best.method} is better than standard training by more than the luck of the seed.")
    else:
        print("No method is better than standard training by more than the luck of the seed.")


if __name__ == "__main__":
    main()
