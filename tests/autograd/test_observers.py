"""Blocks that watch the engines: nested and closed in any order, across generators, threads and tasks."""

import asyncio
import contextlib
import gc
import itertools
import threading

import numpy as np
import pytest

import visualize
from tinygrad_lm import Tensor, Value, detect_anomaly
from tinygrad_lm.autograd import observers
from visualize.graph.source_lines import place_of

KINDS = (detect_anomaly, visualize.tracing)


def is_plain():
    return observers.active() == ()


@pytest.fixture(autouse=True)
def _nothing_left():
    yield
    assert is_plain()
    assert not is_checked()
    assert not is_traced()


def is_checked():
    try:
        with np.errstate(divide="ignore"):
            Tensor([0.0]).log()
    except FloatingPointError:
        return True
    return False


def is_traced():
    return place_of(Value(1.0) + 1) is not None


def seen():
    return is_checked(), is_traced()


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_closed_in_any_order(order):
    kinds = (detect_anomaly, visualize.tracing, detect_anomaly, visualize.tracing)
    blocks = [kind() for kind in kinds]
    for block in blocks:
        block.__enter__()
    still = list(kinds)
    for position in order:
        assert seen() == (detect_anomaly in still, visualize.tracing in still)
        blocks[position].__exit__(None, None, None)
        still.remove(kinds[position])
    assert is_plain()


def test_one_object_entered_twice():
    block = detect_anomaly()
    with block:
        with block:
            assert is_checked()
        assert is_checked()


def generator(kind):
    with kind():
        yield seen()
        yield seen()


@pytest.mark.parametrize(("first", "second"), list(itertools.product(KINDS, KINDS)))
def test_generators_closed_in_the_wrong_order(first, second):
    one, other = generator(first), generator(second)
    next(one)
    next(other)
    one.close()
    assert next(other) == (second is detect_anomaly, second is visualize.tracing)
    other.close()
    assert is_plain()


def test_a_forgotten_generator():
    watching = generator(detect_anomaly)
    next(watching)
    del watching
    gc.collect()


@pytest.mark.parametrize("kind", KINDS)
def test_an_exception(kind):
    with pytest.raises(KeyError), visualize.tracing(), kind():
        raise KeyError
    with pytest.raises(FloatingPointError), visualize.tracing(), detect_anomaly(), visualize.tracing():
        Tensor([0.0]).log()


@pytest.mark.parametrize("kind", KINDS)
def test_an_inner_block_leaves_the_outer_one_on(kind):
    with kind():
        with kind():
            pass
        visualize.draw(lambda: Value(1.0) * 2)
        assert seen() == (kind is detect_anomaly, kind is visualize.tracing)


def test_the_outer_block_knows_what_was_made_in_an_inner_one():
    x = Tensor([4.0, 0.0], requires_grad=True)
    with detect_anomaly():
        with detect_anomaly():
            root = x.sqrt()  # made inside
        with pytest.raises(FloatingPointError, match=r"root = x\.sqrt\(\)  # made inside"):
            root.sum().backward()


@pytest.mark.parametrize("kind", KINDS)
def test_closed_by_another_thread(kind):
    block = kind()
    block.__enter__()
    thread = threading.Thread(target=block.__exit__, args=(None, None, None))
    thread.start()
    thread.join()
    assert is_plain()
    assert seen() == (False, False)


def test_one_object_in_two_threads():
    """The thread that leaves first must end its own block."""
    block, inside, left, found = detect_anomaly(), threading.Barrier(2), threading.Event(), []

    def stays():
        with block:
            inside.wait()
            left.wait()
            found.append(is_checked())

    def leaves():
        with block:
            inside.wait()
        found.append(is_checked())
        left.set()

    threads = [threading.Thread(target=f) for f in (stays, leaves)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [False, True]


def test_tasks():
    """A task watches what it entered itself; what it inherited ends with the block it came from."""

    async def watcher(kind, opened, others_opened):
        with kind():
            opened.set()
            await others_opened.wait()
            return seen()

    async def heir(closed):
        await closed.wait()
        return seen()

    async def run():
        first, second, closed = asyncio.Event(), asyncio.Event(), asyncio.Event()
        with visualize.tracing():
            inherits = asyncio.create_task(heir(closed))
            await asyncio.sleep(0)
        pair = await asyncio.gather(watcher(detect_anomaly, first, second), watcher(visualize.tracing, second, first))
        closed.set()
        with detect_anomaly():
            return pair, await inherits, is_checked()

    assert asyncio.run(run()) == ([(True, False), (False, True)], (False, False), True)


def test_an_async_generator_closed_from_another_task():
    async def watching():
        with detect_anomaly():
            yield
            yield

    async def run():
        stream = watching()
        await asyncio.create_task(anext(stream))
        await asyncio.create_task(stream.aclose())
        return is_checked()

    assert asyncio.run(run()) is False


def test_many_threads_at_once():
    def work():
        for _ in range(50):
            with visualize.tracing(), contextlib.suppress(FloatingPointError), detect_anomaly():
                assert seen() == (True, True)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert is_plain()


def test_nothing_is_kept_of_closed_blocks():
    from tinygrad_lm.autograd import observers

    for kind in KINDS:
        with kind():
            assert len(observers.active()) == 1
    assert observers.active() == ()
