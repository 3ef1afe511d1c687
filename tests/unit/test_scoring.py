import threading
import time

import numpy as np
import pytest
import torch

from cxr_demo.errors import Cancelled, DeadlinePassed
from cxr_demo.films import image
from cxr_demo.inference import engine, scoring
from cxr_demo.inference.scheduler import Priority, Scheduler
from cxr_demo.inference.scoring import Budget, Scorer
from tests.support import planted


@pytest.fixture
def model():
    return planted.classifier()


@pytest.fixture
def x(model):
    return torch.from_numpy(image.model_input(planted.film(), model.size, model.spec.pixel_range))


def masks(n, size=planted.SIZE):
    return np.random.default_rng(1).random((n, size, size)).astype(np.float32)


def test_base_and_features_are_those_of_the_image(model, x):
    scorer = Scorer(model, x, Budget())
    np.testing.assert_allclose(scorer.base, model.logits(x)[0], atol=1e-6)
    np.testing.assert_array_equal(scorer.features, model.features(x))
    carried = planted.density(planted.pixels()).sum((1, 2)) + planted.BIAS
    np.testing.assert_allclose(scorer.base, carried, atol=1e-5)


def test_scores_are_the_logits_of_each_altered_copy(model, x):
    covers, fill = masks(37), torch.full_like(x, -300.0)
    scorer = Scorer(model, x, Budget())
    got = np.full((37, len(model.labels)), np.nan)
    for where, logits in scorer.scores(covers, fill):
        assert logits.dtype == np.float32
        got[where] = logits
    for mask, logits in zip(covers, got, strict=True):
        mixed = (1 - mask) * x.numpy() + mask * fill.numpy()
        np.testing.assert_allclose(logits, model.logits(torch.from_numpy(mixed))[0], atol=1e-5)


def test_a_full_mask_leaves_nothing_of_the_image_and_an_empty_one_all(model, x):
    covers = np.stack([np.ones_like(x[0, 0]), np.zeros_like(x[0, 0])])
    fill = torch.full_like(x, 0.1)  # not exact in float32
    ((_, (covered, untouched)),) = Scorer(model, x, Budget()).scores(covers, fill)
    np.testing.assert_array_equal(covered, model.logits(fill)[0])
    np.testing.assert_array_equal(untouched, model.logits(x)[0])


def test_forwards_and_steps_are_counted_exactly(model, x):
    before = model.images()
    scorer = Scorer(model, x, Budget())
    assert (scorer.forwards, scorer.steps) == (1, (0, 0))
    seen = [scorer.steps for _ in scorer.scores(masks(2 * engine.BATCH + 3), x)]
    assert seen == [(4, 11), (8, 11), (11, 11)]
    assert scorer.forwards == model.images() - before == 12


def test_larger_inputs_take_smaller_batches():
    model = planted.classifier(size=512)
    x = torch.zeros(1, 1, 512, 512)
    sizes = [len(logits) for _, logits in Scorer(model, x, Budget()).scores(masks(5, 512), x)]
    assert sizes == [1, 1, 1, 1, 1]


def test_cancel_ends_before_the_next_batch(model, x):
    cancelled = threading.Event()
    scorer = Scorer(model, x, Budget(cancelled=cancelled))
    scores = scorer.scores(masks(40), x)
    next(scores)
    cancelled.set()
    with pytest.raises(Cancelled):
        next(scores)
    assert scorer.steps == (4, 40)


def test_a_deadline_passes():
    budget = Budget(seconds=0.05)
    budget.check()
    time.sleep(0.06)
    with pytest.raises(DeadlinePassed, match=r"0\.05 seconds"):
        budget.check()


def test_waits_for_other_computations_do_not_count():
    budget = Budget(seconds=1)
    entered, leave = threading.Event(), threading.Event()

    def other():
        with scoring.SCHEDULER.take(Priority.EXPLANATION):
            entered.set()
            leave.wait(20)

    thread = threading.Thread(target=other)
    thread.start()
    assert entered.wait(20)
    threading.Timer(1.5, leave.set).start()
    with budget.turn():
        pass
    thread.join(20)
    time.sleep(1.1)
    with pytest.raises(DeadlinePassed), budget.turn():
        pass


def test_a_prediction_goes_before_explanations_that_wait_longer():
    turns, order, threads = Scheduler(), [], []

    def work(name, priority):
        with turns.take(priority):
            order.append(name)

    with turns.take(Priority.EXPLANATION):
        wishes = [("first", 1), ("second", 1), ("film", 0), ("third", 1), ("other film", 0)]
        for waiting, (name, priority) in enumerate(wishes, start=1):
            threads.append(threading.Thread(target=work, args=(name, Priority(priority))))
            threads[-1].start()
            wait_until(lambda n=waiting: len(turns._waiting) == n)
    for thread in threads:
        thread.join(20)
    assert order == ["film", "other film", "first", "second", "third"]


def test_one_at_a_time():
    turns, inside, most = Scheduler(), [], []

    def work():
        for _ in range(20):
            with turns.take(Priority.EXPLANATION):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0)
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(most) == 160
    assert max(most) == 1


def test_the_turn_is_given_back_after_an_error_and_after_an_interrupted_wait(monkeypatch):
    turns = Scheduler()
    with pytest.raises(ZeroDivisionError), turns.take(Priority.EXPLANATION):
        raise ZeroDivisionError
    with monkeypatch.context() as patch:
        patch.setattr(turns._changed, "wait_for", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt), turns.take(Priority.PREDICTION):
            pass
    with turns.take(Priority.EXPLANATION):
        pass


def test_no_turn_is_held_between_batches(model, x):
    scores = Scorer(model, x, Budget()).scores(masks(40), x)
    next(scores)
    assert scoring.first_passes(model, x)  # would wait for ever
    scores.close()


def after_first_backward_pass(monkeypatch, act):
    """Act during the first backward pass; the list receives one entry per finished pass."""
    grad, passes = torch.autograd.grad, []

    def acting(*arguments, **options):
        found = grad(*arguments, **options)
        if not passes:
            act()
        passes.append(1)
        return found

    monkeypatch.setattr(torch.autograd, "grad", acting)
    return passes


def test_a_prediction_waits_for_one_backward_pass_alone(model, x, monkeypatch):
    arrived = []

    def predict():
        with scoring.SCHEDULER.take(Priority.PREDICTION):
            arrived.append(len(passes))

    def act():
        thread.start()
        wait_until(lambda: scoring.SCHEDULER._waiting)

    thread = threading.Thread(target=predict)
    passes = after_first_backward_pass(monkeypatch, act)
    assert len(list(Scorer(model, x, Budget()).gradients([x]))) == 1
    thread.join(20)
    assert arrived == [1]
    assert len(passes) == len(model.labels)


def test_cancel_ends_before_the_next_backward_pass(model, x, monkeypatch):
    cancelled = threading.Event()
    passes = after_first_backward_pass(monkeypatch, cancelled.set)
    with pytest.raises(Cancelled):
        list(Scorer(model, x, Budget(cancelled=cancelled)).gradients([x]))
    assert len(passes) == 1


def wait_until(true, seconds=20):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.001)
