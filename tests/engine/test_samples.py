"""The batches of an epoch."""

import pytest
import torch

from labelsieve.engine.samples import Samples


def of(n):
    return Samples.of(torch.randn(n, 3), torch.arange(n) % 2, 2)


@pytest.mark.parametrize(
    ("n", "size", "drop_last", "sizes"),
    [
        (12, 4, False, [4, 4, 4]),
        (14, 4, False, [4, 4, 4, 2]),
        (13, 4, False, [4, 4, 4]),  # batch normalisation takes no single example
        (14, 4, True, [4, 4, 4]),
        (3, 4, True, [3]),
        (1, 4, False, [1]),
        (3, 1, False, [1, 1, 1]),
    ],
)
def test_a_last_batch_of_one_is_left_out(n, size, drop_last, sizes):
    batches = list(of(n).batches(size, torch.Generator().manual_seed(0), drop_last=drop_last))
    assert [len(rows) for rows in batches] == sizes
    seen = torch.cat(batches).tolist()
    assert len(set(seen)) == len(seen) == sum(sizes) and set(seen) <= set(range(n))


def test_every_epoch_leaves_out_another():
    generator = torch.Generator().manual_seed(0)
    left_out = {(set(range(13)) - set(torch.cat(list(of(13).batches(4, generator))).tolist())).pop() for _ in range(20)}
    assert len(left_out) > 5
