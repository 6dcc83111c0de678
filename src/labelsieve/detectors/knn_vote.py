"""kNN vote: the nearest neighbours in the features of a frozen encoder vote; a label that they do not share is
suspicious.

Paper: Zhu, Dong, Liu, "Detecting corrupted labels without training a model to predict" (SimiFeat), ICML 2022, section
    4.
Good at: any good encoder, without any training; human label noise on clear images.
Bad at: encoders tuned on the noisy labels; confusions between classes that the features do not separate;
    near-duplicates that carry the same wrong label.
Numbers: k = 10 counts the example itself, so nine neighbours vote (authors' setting).
Differs: one round on the plain features, not 21 rounds of random crops; flags by voting ("mv"); the ranking rule with
    its estimated transition matrix is left to the decision step. Votes of opposite direction (negative cosine) count as
    zero.
Cost: (n, k, k) comparisons of labels in row blocks, never an (n, K) table.
"""

from __future__ import annotations

import numpy as np

from labelsieve.core.evidence import Neighbours
from labelsieve.core.memory_map import blocks
from labelsieve.core.scores import Scores

ROWS = 1 << 14


def knn_vote(neighbours: Neighbours, labels: np.ndarray, *, k: int = 10) -> Scores:
    """Score examples by minus the logarithm of the normalised vote for the given label; flag those outvoted.

    Args:
        neighbours: the kNN graph; its first k - 1 columns are used. If an example has fewer (copies and its own group
            are not neighbours), fewer vote, and `neighbours` in the scores' extra has the number.
        labels: (n,) given labels.
        k: number of voters, including the example itself; 2 to 21.
    """
    n = len(labels)
    suspicion, agreement, voters = np.empty(n), np.empty(n), np.empty(n, np.int64)
    suggestion, flagged = np.empty(n, np.int64), np.empty(n, bool)
    for rows, _ in zip(blocks(neighbours.index, ROWS), blocks(neighbours.similarity, ROWS), strict=True):
        index, own = neighbours.index[rows, : k - 1], labels[rows, None]
        present = index >= 0
        voter = np.concatenate([own, np.where(present, labels[index], own)], axis=1)
        weight = _weights(neighbours.cosines(rows, k - 1), present)
        vote = ((voter[:, :, None] == voter[:, None, :]) * weight[:, None, :]).sum(2)
        # The sum over voters of weight times vote is the sum over classes of vote squared.
        norm = np.sqrt(np.maximum((weight * vote).sum(1), 1e-24))
        suspicion[rows] = -np.log(np.clip(vote[:, 0] / norm, 1e-6, 1))
        flagged[rows] = _leader(vote, voter) != voter[:, 0]
        suggestion[rows] = _leader(np.where(voter == voter[:, :1], -1, vote), voter)
        voters[rows] = present.sum(1)
        agreeing = ((voter[:, 1:] == own) & present).sum(1)
        agreement[rows] = np.where(voters[rows] > 0, agreeing / np.maximum(voters[rows], 1), 1)
    few = {"neighbours": voters} if (voters < min(k - 1, neighbours.index.shape[1])).any() else {}
    return Scores(suspicion, suggestion, flagged, {"neighbours_agree": agreement, **few})


def _weights(similarity: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Votes (b, 1 + m) from similarities (b, m): 1 - distance. The example's own distance is 2 d_1 - d_2, or d_1
    without a second neighbour; an example without neighbours has only its own vote."""
    first = similarity[:, :1] if similarity.shape[1] else np.zeros((len(similarity), 1))
    second = np.where(present[:, 1:2], similarity[:, 1:2], first) if similarity.shape[1] > 1 else first
    weight = np.clip(np.concatenate([2 * first - second, similarity], axis=1), 0, None)
    weight[~present.any(1), 0] = 1
    return weight


def _leader(vote: np.ndarray, voter: np.ndarray) -> np.ndarray:
    """The class with the largest vote; of equals the smallest class, in any order of the voters."""
    best = vote >= vote.max(1, keepdims=True) - 1e-12
    return np.where(best, voter, np.iinfo(np.int64).max).min(1)
