"""Three annotators of different care: what is each label, how good is each of them, and whom to ask again?

Each digit has the votes of two of three annotators. Where they differ, the majority says nothing. `ls.find` weighs the
votes by how right each annotator is, which it learns from the votes and the pictures together, without a true label. It
also names the digits on which one more vote helps most, and who should give it. Here the annotators are simulated, so
they can be asked at once.
"""

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits

import labelsieve as ls

ERRORS = {"ana": 0.05, "ben": 0.2, "cleo": 0.4}  # the share of wrong votes of each
ASKED = 100  # at most


def main():
    X, truth = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    n, names = len(X), list(ERRORS)
    wrong = {name: rng.random(n) < share for name, share in ERRORS.items()}
    says = {name: np.where(wrong[name], (truth + rng.integers(1, 10, n)) % 10, truth) for name in names}

    absent = rng.integers(0, 3, n)  # who has not voted on it
    votes = [(i, name, says[name][i]) for i in range(n) for k, name in enumerate(names) if k != absent[i]]

    def judged(votes):
        table = pd.DataFrame(votes, columns=["id", "annotator", "label"])
        return ls.find(X, votes=table, annotator="annotator", progress=False)

    def right(findings):
        consensus = np.array(findings.classes, int)[findings.suggestions["votes"]]
        return 100 * (consensus[np.argsort(findings.ids.astype(int))] == truth).mean()

    findings = judged(votes)
    print(f"{n:,} digits, two votes on each.")
    for name in names:
        true = np.mean([said == truth[i] for i, who, said in votes if who == name])
        estimate = findings.annotators.of(name).accuracy
        print(f"  {name:5} is right in {100 * estimate:.0f} % of the votes, says Labelsieve; truly {100 * true:.0f} %.")
    agree = sum(says[names[(k + 1) % 3]][i] == says[names[(k + 2) % 3]][i] for i, k in enumerate(absent))
    print(f"The two votes agree on {100 * agree / n:.0f} % of the digits.")
    print(f"The consensus is right on {right(findings):.1f} % of them.")

    asked = [(int(one.id), one.annotators[0]) for one in findings.annotators.ask if one.annotators][:ASKED]
    more = [(i, name, says[name][i]) for i, name in asked]
    print(f"Asked for {len(asked)} more votes where they help most: {right(judged(votes + more)):.1f} %.")
    anywhere = [(i, names[absent[i]], says[names[absent[i]]][i]) for i in rng.choice(n, len(asked), replace=False)]
    print(f"Asked for as many at random instead: {right(judged(votes + anywhere)):.1f} %.")


if __name__ == "__main__":
    main()
