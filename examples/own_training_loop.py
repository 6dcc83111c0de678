"""From your own PyTorch loop to wrong labels: one line in the loop, one call after it.

`ls.Recorder` writes down how the loss of each example develops while your network learns. Wrong labels are learned
late, or not at all, and `ls.find` reads that from the record. Network, optimiser, schedule and batches stay yours; no
second model is trained.

The data are handwritten digits, of which 15 % get a wrong label on purpose, so that the result can be checked.
"""

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

import labelsieve as ls

EPOCHS, BATCH = 20, 64


def main():
    X, truth = load_digits(return_X_y=True)
    noisy = ls.noise(ls.load(X, labels=truth), rate="15%", seed=0)
    images, labels = torch.tensor(X / 16, dtype=torch.float32), torch.tensor(noisy.labels)

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    recorder = ls.Recorder(n=len(images))
    for _ in range(EPOCHS):
        for index in torch.randperm(len(images)).split(BATCH):
            logits = model(images[index])
            recorder.update(logits, labels[index], index)  # the one line: positions in the data set
            loss = nn.functional.cross_entropy(logits, labels[index])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        recorder.end_epoch()

    findings = ls.find(record=recorder, labels=noisy.labels, progress=False)

    wrong = noisy.labels != truth  # known only because we made them wrong
    accuracy = (recorder.record().argmax[-1] == noisy.labels).mean()
    print(f"{len(X):,} digits, {wrong.sum()} of them with a wrong label.")
    print(f"In the last epoch the network agrees with {100 * accuracy:.0f} % of the labels that it was given.")
    ranked = np.argsort(findings.rank)
    for many in (100, wrong.sum()):
        print(f"Of the {many} most suspicious labels, {wrong[ranked[:many]].sum()} are wrong.")
    print("The first three:")
    for one in findings.top(3):
        print(f"  digit {one.id}: labelled {one.given_label}, more like {one.other_label}; it is {truth[int(one.id)]}")


if __name__ == "__main__":
    main()
