#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What threads of Python get from sessions of one thread each.

usage: python_threads.py MODEL [--threads 2] [--seconds 4] [--rounds 3]

One engine, tuned for one thread; a session for each of 1 and N threads of Python, all of them called
for some seconds, in turns. The best round of each, in calls a second over all threads.
"""
import argparse
import threading
import time

import numpy as np

import lathe


def feeds(engine):
    """Random arrays of the inputs' shapes, 1 where a size is open."""
    random = np.random.default_rng()
    return {port.name: random.standard_normal([s if isinstance(s, int) else 1 for s in port.shape])
            .astype(np.float32) for port in engine.inputs}


def calls_a_second(engine, count, seconds):
    """Over `count` threads, each with a session of its own."""
    arrays, done, stop = feeds(engine), [0] * count, threading.Event()
    sessions = [engine.session(threads=1) for _ in range(count)]
    for session in sessions:
        session(**arrays)

    def work(k):
        while not stop.is_set():
            sessions[k](**arrays)
            done[k] += 1

    threads = [threading.Thread(target=work, args=(k,)) for k in range(count)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - begin
    for session in sessions:
        session.close()
    return sum(done) / took


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    engine, best = lathe.build(options.model, threads=1), {}
    for _ in range(options.rounds):
        for count in (1, options.threads):
            rate = calls_a_second(engine, count, options.seconds)
            best[count] = max(rate, best.get(count, 0))
    for count, rate in best.items():
        print(f"{count} threads: {rate:10.1f} calls/s   {rate / best[1]:.2f} times one")


if __name__ == "__main__":
    main()
