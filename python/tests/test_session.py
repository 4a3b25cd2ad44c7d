# SPDX-License-Identifier: Apache-2.0
"""Sessions, futures and threads."""
import concurrent.futures
import threading

import networks
import numpy as np
import pytest

import lathe


def random(*shape):
    return np.random.default_rng().standard_normal(shape).astype(np.float32)


def test_submit_gives_a_future(two):
    a, b = random(3, 4), random(3, 4)
    with two.session() as run:
        future = run.submit(a=a, b=b)
        assert isinstance(future, concurrent.futures.Future)
        np.testing.assert_array_equal(future.result()["product"], a * b)
        np.testing.assert_array_equal(run.submit(a, b).result()[0], a + b)
        np.testing.assert_array_equal(run(a, b)[0], a + b)


def test_submitted_runs_come_back_in_order(relu):
    xs = [random(2, 3) for _ in range(50)]
    with relu.session() as run:
        futures = [run.submit(x) for x in xs]
    for x, future in zip(xs, futures):
        np.testing.assert_array_equal(future.result(timeout=0)[0], np.maximum(x, 0))


def test_an_error_is_the_futures(relu):
    with relu.session() as run:
        with pytest.raises(lathe.InputError, match="expected Nx3"):
            run.submit(random(2, 2)).result()
        with pytest.raises(KeyError):
            run.submit(z=random(2, 3))
        x = random(2, 3)
        np.testing.assert_array_equal(run.submit(x).result()[0], np.maximum(x, 0))


def test_a_closed_session_says_so(relu):
    with relu.session() as run:
        pass
    for action in (lambda: run(random(1, 3)), lambda: run.submit(random(1, 3)), lambda: run.memory):
        with pytest.raises(lathe.InputError, match="closed"):
            action()


def test_an_engine_is_called_from_many_threads():
    proto = networks.layers(4, 64)
    engine = lathe.build(proto, tune=False, timing_cache=False)
    failed = []

    def work(seed):
        rng = np.random.default_rng(seed)
        for _ in range(50):
            x = rng.standard_normal((rng.integers(1, 5), 64)).astype(np.float32)
            try:
                want = networks.layers_result(proto, x)
                np.testing.assert_allclose(engine(x)[0], want, rtol=1e-4, atol=1e-4)
            except Exception as e:  # noqa: BLE001
                failed.append(e)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failed


def test_one_session_serves_threads_in_turns(relu):
    with relu.session() as run, concurrent.futures.ThreadPoolExecutor(8) as pool:
        xs = [random(2, 3) for _ in range(200)]
        for x, (y,) in zip(xs, pool.map(run, xs)):
            np.testing.assert_array_equal(y, np.maximum(x, 0))


def test_other_threads_run_while_a_network_does():
    """The interpreter is free during a run: a second thread counts meanwhile."""
    engine = lathe.build(networks.layers(12, 512), tune=False, timing_cache=False)
    x = random(512, 512)
    engine(x)
    ticks, stop = [0], threading.Event()

    def count():
        while not stop.is_set():
            ticks[0] += 1

    thread = threading.Thread(target=count)
    thread.start()
    seen = []
    for _ in range(5):
        before = ticks[0]
        engine(x)
        seen.append(ticks[0] - before)
    stop.set()
    thread.join()
    # With the lock held during runs, a thread gets in only between two of them.
    assert max(seen) > 100


def test_a_stream_is_recognised_by_what_it_has():
    from lathe.session import stream_address

    class Torch:
        cuda_stream = 7

    class Protocol:
        def __cuda_stream__(self):
            return 0, 9

    assert [stream_address(s) for s in (None, Torch(), Protocol(), 11)] == [0, 7, 9, 11]
    with pytest.raises(lathe.InputError, match="no CUDA stream"):
        stream_address("stream")


def test_the_engine_outlives_its_name():
    session = lathe.build(networks.relu(), tune=False, timing_cache=False).session()
    x = random(2, 3)
    np.testing.assert_array_equal(session(x)[0], np.maximum(x, 0))
    session.close()
