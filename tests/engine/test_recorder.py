import numpy as np
import pytest

from labelsieve.core.errors import UserError
from labelsieve.engine.recorder import Recorder


def test_values_by_hand():
    recorder = Recorder(n=4)
    recorder.update(np.array([[1.0, 3.0, 0.0]]), np.array([0]), np.array([2]))
    recorder.end_epoch()
    record = recorder.record()
    assert record.margin[0, 2] == pytest.approx(-2.0)
    assert record.loss[0, 2] == pytest.approx(np.log(np.exp([1, 3, 0]).sum()) - 1)
    assert record.p_y[0, 2] == pytest.approx(np.exp(1) / np.exp([1, 3, 0]).sum())
    assert record.argmax.tolist() == [[-1, -1, 1, -1]]
    assert np.isnan(record.loss[0, [0, 1, 3]]).all()


def test_epochs_are_rows_and_the_open_one_counts():
    recorder = Recorder(n=2)
    for _ in range(2):
        recorder.update(np.eye(2), np.array([0, 1]), np.array([1, 0]))
        recorder.end_epoch()
    recorder.update(np.eye(2)[:1], np.array([0]), np.array([0]))
    assert recorder.record().loss.shape == (3, 2)


@pytest.mark.parametrize(
    ("target", "index", "said"),
    [([0], [5], "position 5"), ([0], [-1], "position -1"), ([7], [0], "label outside"), ([0, 1], [0], "takes logits")],
)
def test_mistakes_are_told(target, index, said):
    with pytest.raises(UserError, match=said):
        Recorder(n=3).update(np.zeros((1, 2)), np.array(target), np.array(index))


def test_an_empty_recorder_says_what_to_do():
    with pytest.raises(UserError, match="update"):
        Recorder(n=3).record()


def test_torch_tensors_of_any_precision():
    torch = pytest.importorskip("torch")
    recorder = Recorder(n=2)
    recorder.update(
        torch.tensor([[1.0, 2.0]], dtype=torch.bfloat16, requires_grad=True), torch.tensor([1]), torch.tensor([0])
    )
    assert recorder.record().margin[0, 0] == pytest.approx(1.0)


def test_a_position_twice_in_a_batch_is_refused_and_the_last_batch_counts():
    recorder = Recorder(n=3)
    logits, target = np.array([[2.0, 0.0], [0.0, 1.0]]), np.array([0, 0])
    with pytest.raises(UserError, match="position 1 twice in one batch"):
        recorder.update(logits, target, np.array([1, 1]))
    recorder.update(logits, target, np.array([0, 1]))
    recorder.update(logits[::-1], target, np.array([0, 2]))
    assert recorder.record().argmax.tolist() == [[1, 1, 0]]


@pytest.mark.parametrize("n", ["5", 0, -1, 2.5, None])
def test_a_number_of_examples_that_is_none_is_told(n):
    with pytest.raises(UserError, match=r"n is .*; write Recorder"):
        Recorder(n=n)
    Recorder(n=np.int64(3))  # type: ignore[arg-type]


def test_logits_beyond_float32_are_recorded_without_a_warning(recwarn):
    recorder = Recorder(n=1)
    recorder.update(np.array([[-3e38, 3e38]]), np.array([0]), np.array([0]))
    record = recorder.record()
    assert (record.margin[0, 0], record.loss[0, 0], record.p_y[0, 0]) == (-np.inf, np.inf, 0) and not len(recwarn)


@pytest.mark.parametrize(
    ("logits", "target", "index", "message"),
    [
        (np.eye(2), ["cat", "dog"], [0, 1], "target of the type <U3, such as .*'cat'"),
        (np.eye(2), [0.5, 1.0], [0, 1], "target of the type float64"),
        (np.eye(2), [0, 1], None, "index of the type object"),
        (np.eye(2), None, [0, 1], "target of the type object"),
        (None, [0, 1], [0, 1], "logits of the type object"),
    ],
)
def test_what_are_no_numbers_is_a_sentence(logits, target, index, message):
    with pytest.raises(UserError, match=message):
        Recorder(n=2).update(logits, target, index)
