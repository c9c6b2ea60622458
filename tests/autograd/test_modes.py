"""Switching the recording of graphs off and on: nested, after exceptions, in threads and in tasks."""

import asyncio
import sys
import threading

import numpy as np
import pytest

from tests.helpers.engines import on_both_engines
from tinygrad_lm import Tensor, Value, enable_grad, grad, no_grad
from tinygrad_lm.autograd import is_grad_enabled


def test_it_is_restored_after_an_exception():
    """Fault 10: an exception inside no_grad."""
    with pytest.raises(ZeroDivisionError), no_grad():
        assert not is_grad_enabled()
        raise ZeroDivisionError
    assert is_grad_enabled()


def test_nested():
    """Fault 10: modes nest, also the same object twice."""
    mode = no_grad()
    with mode:
        with enable_grad():
            assert is_grad_enabled()
            with mode:
                assert not is_grad_enabled()
            assert is_grad_enabled()
        assert not is_grad_enabled()
    assert is_grad_enabled()


@on_both_engines
def test_nothing_is_recorded(leaf):
    x = leaf(2.0)
    with no_grad():
        y = x * x + 1.0
        with enable_grad():
            z = x * x
    assert float(y.data) == 5.0
    assert y.is_leaf
    assert not y.requires_grad
    assert z.requires_grad
    with pytest.raises(RuntimeError, match="no_grad"):
        y.backward()


def test_as_a_decorator():
    """Fault 10: the decorator covers each call, recursion and exceptions included."""
    seen = []

    @no_grad()
    def countdown(n):
        """Count down."""
        seen.append(is_grad_enabled())
        if n == 0:
            raise RuntimeError("done")
        countdown(n - 1)

    assert countdown.__doc__ == "Count down."
    for _ in range(2):
        with pytest.raises(RuntimeError, match="done"):
            countdown(3)
        assert is_grad_enabled()
    assert seen == [False] * 8


def test_generators_and_coroutines_are_refused():
    """Fault 10: the body of a generator would run outside the mode."""

    def generator():
        yield 1

    async def coroutine():
        return 1

    async def both():
        yield 1

    for function in (generator, coroutine, both):
        for mode in (no_grad, enable_grad):
            with pytest.raises(TypeError, match=f"{mode.__name__}.*write 'with {mode.__name__}"):
                mode()(function)


def test_threads():
    """Fault 10: one thread's mode is no other's."""
    inside, leave = threading.Event(), threading.Event()
    seen = {}

    def quiet():
        with no_grad():
            inside.set()
            leave.wait(10)
            seen["quiet"] = is_grad_enabled()

    def recording():
        inside.wait(10)
        x = Tensor(3.0, requires_grad=True)
        (x * x).backward()
        seen["recording"] = is_grad_enabled()
        seen["gradient"] = float(x.grad)
        leave.set()

    threads = [threading.Thread(target=task) for task in (quiet, recording)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {"quiet": False, "recording": True, "gradient": 6.0}
    with no_grad():
        fresh = threading.Thread(target=lambda: seen.update(fresh=is_grad_enabled()))
        fresh.start()
        fresh.join()
    assert seen["fresh"]


def test_tasks():
    """Fault 10: one task's mode is no other's, across await."""

    async def quiet(entered, leave):
        with no_grad():
            entered.set()
            await leave.wait()
            return is_grad_enabled()

    async def recording(entered, leave):
        await entered.wait()
        state = is_grad_enabled()
        leave.set()
        return state

    async def both():
        entered, leave = asyncio.Event(), asyncio.Event()
        return await asyncio.gather(quiet(entered, leave), recording(entered, leave))

    assert asyncio.run(both()) == [False, True]


def test_threads_share_leaves_without_losing_graphs():
    """Independent graphs on one shared leaf in several threads give right gradients through grad()."""
    w = Tensor(np.arange(4.0), requires_grad=True)
    found = {}

    def work(k):
        for _ in range(50):
            found[k] = grad((w * w * k).sum(), w).data

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(4):
        np.testing.assert_array_equal(found[k], 2 * k * w.data)


def test_values_in_threads_that_share_leaves():
    """Passes side by side over the same leaves, between which Python switches all the time."""
    leaves, rounds = [Value(0.5 + i) for i in range(20)], 20
    found = {k: [] for k in range(4)}

    def work(k):
        for _ in range(rounds):
            inner = [leaf * 1.0 for leaf in leaves]
            sum(x * x * k for x in inner).backward()
            found[k].append([x.grad for x in inner])

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=(k,)) for k in found]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    for k, gradients in found.items():
        assert gradients == [[2.0 * k * leaf.data for leaf in leaves]] * rounds
    assert all(leaf.grad > 0 for leaf in leaves)


def test_one_object_in_two_threads():
    """Fault 10: a mode that two threads share is left by each as it was entered."""
    mode, inside, leave, seen = no_grad(), threading.Event(), threading.Event(), []

    def first():
        try:
            with mode:
                inside.set()
                leave.wait(10)
                seen.append(is_grad_enabled())
            seen.append(is_grad_enabled())
        except Exception as error:
            seen.append(error)

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait(10)
    with mode:
        leave.set()
        thread.join()
        assert not is_grad_enabled()
    assert is_grad_enabled()
    assert seen == [False, True]


def test_an_async_generator_closed_from_another_task():
    """Fault 10: what one task entered and another leaves changes neither's mode."""

    async def numbers():
        with no_grad():
            yield 1
            yield 2

    async def first(generator, started, finish):
        await anext(generator)
        started.set()
        await finish.wait()

    async def closing(generator):
        with enable_grad():
            await generator.aclose()
            inner = is_grad_enabled()
        return inner, is_grad_enabled()

    async def main():
        generator, started, finish = numbers(), asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(first(generator, started, finish))
        await started.wait()
        found = await asyncio.create_task(closing(generator))
        finish.set()
        await task
        # One that nobody closes is closed by the event loop, in a task of its own.
        abandoned.append(numbers())
        await asyncio.create_task(first(abandoned[0], started, finish))
        return found, is_grad_enabled()

    failures, abandoned = [], []

    async def watched():
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context))
        return await main()

    assert asyncio.run(watched()) == ((True, True), True)
    assert not failures


def test_left_in_the_wrong_order():
    """Fault 10: of two modes that overlap, the one that is still entered counts."""
    quiet, loud = no_grad(), enable_grad()
    quiet.__enter__()
    loud.__enter__()
    quiet.__exit__(None, None, None)
    assert is_grad_enabled()
    loud.__exit__(None, None, None)
    assert is_grad_enabled()
    loud.__enter__()
    quiet.__enter__()
    loud.__exit__(None, None, None)
    assert not is_grad_enabled()
    quiet.__exit__(None, None, None)
    assert is_grad_enabled()
