#!/usr/bin/env python3
"""Lathe beside what a user would pick instead, on this CPU: ONNX Runtime and OpenVINO.

usage: versus_cpu.py MODELDIR [--lathe PATH] [--threads 2] [--batch 1] [--only NAME]
                     [--precision f32,bf16] [--seconds 2] [--rounds 5]
       (needs onnxruntime, openvino, numpy; MODELDIR as ../shared/bench/make_models.py writes it)

Everything runs in turns, a few seconds each, several rounds, on inputs of the same shapes; a row
shows medians, and Lathe's ratio to the better peer: in f32 to the better of ONNX Runtime and
OpenVINO, in bf16 to the better of OpenVINO in bf16 and ONNX Runtime in f32. Outputs are compared
with ONNX Runtime's by cosine. The last line is the geometric mean of the ratios.
"""
import argparse
import glob
import json
import os
import subprocess
import tempfile
import time

import numpy as np


SETTLE = 1.0  # seconds for a peer's spinning threads to go to sleep before the next one's turn


def feeds_for(session, batch, rng):
    feeds = {}
    for i in session.get_inputs():
        shape = [batch if not isinstance(d, int) or d < 1 else d for d in i.shape]
        if 'mask' in i.name:
            feeds[i.name] = np.ones(shape, np.int64)
        elif 'int' in i.type:
            feeds[i.name] = rng.integers(0, 30000, shape, dtype=np.int64)
        else:
            feeds[i.name] = rng.standard_normal(shape, dtype=np.float32)
    return feeds


def onnxruntime_session(path, threads):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    return onnxruntime.InferenceSession(path, options, providers=['CPUExecutionProvider'])


def openvino_runner(path, threads, precision, feeds):
    import openvino
    core = openvino.Core()
    model = core.read_model(path)
    model.reshape({i.get_any_name(): list(feeds[i.get_any_name()].shape) for i in model.inputs})
    compiled = core.compile_model(model, 'CPU', {
        'INFERENCE_NUM_THREADS': threads, 'PERFORMANCE_HINT': 'LATENCY',
        'INFERENCE_PRECISION_HINT': precision, 'NUM_STREAMS': 1})
    request = compiled.create_infer_request()
    return lambda: request.infer(feeds, share_inputs=True, share_outputs=True)


def sample(run, seconds):
    run()
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return float(np.median(times)) * 1e3


class Lathe:
    """An engine built once, benched in short subprocess runs, checked through `lathe run`."""

    def __init__(self, args, path, precision, feeds, folder):
        self.args, self.feeds, self.folder = args, feeds, folder
        self.shapes = ','.join(f"{n}:{'x'.join(map(str, x.shape))}" for n, x in feeds.items())
        self.engine = os.path.join(folder, os.path.basename(path) + '.' + precision + '.engine')
        command = [args.lathe, 'build', path, '-o', self.engine, '--threads', str(args.threads),
                   '--shapes', self.shapes, '--timing-cache', args.timing_cache, '--json']
        if precision == 'bf16':
            command.append('--bf16')
        self.build_s = json.loads(self.run(command))['build_s']

    @staticmethod
    def run(command):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def bench(self, seconds):
        out = self.run([self.args.lathe, 'bench', self.engine, '--threads', str(self.args.threads),
                        '--seconds', str(seconds), '--warmup', '0.3', '--shapes', self.shapes, '--json'])
        return json.loads(out)['latency_ms']['median']

    def outputs(self, names):
        command = [self.args.lathe, 'run', self.engine, '--threads', str(self.args.threads)]
        for name, x in self.feeds.items():
            file = os.path.join(self.folder, f'{name}.npy')
            np.save(file, x)
            command += ['--input', f'{name}={file}']
        files = [os.path.join(self.folder, f'output{k}.npy') for k in range(len(names))]
        for name, file in zip(names, files):
            command += ['--output', f'{name}={file}']
        self.run(command)
        return [np.load(f) for f in files]


def cosine(a, b):
    a, b = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def compare(args, path, batch, precision, folder):
    rng = np.random.default_rng(0)
    ort = onnxruntime_session(path, args.threads)
    feeds = feeds_for(ort, batch, rng)
    runs = {'onnxruntime f32': lambda: ort.run(None, feeds)}
    try:
        runs[f'openvino {precision}'] = openvino_runner(path, args.threads, precision, feeds)
    except RuntimeError as error:  # it takes no Dropout of PyTorch's newer exporter, for one
        cause = [line.strip() for line in str(error).splitlines() if line.strip()][-2:]
        print(f"{os.path.basename(path)}: OpenVINO refuses it: {' '.join(cause)}", flush=True)
    lathe = Lathe(args, path, precision, feeds, folder)
    names = [o.name for o in ort.get_outputs()]
    agreement = min(cosine(a, b) for a, b in zip(lathe.outputs(names), ort.run(None, feeds)))
    times = {name: [] for name in [*runs, 'lathe']}
    for _ in range(args.rounds):
        for name, run in runs.items():
            times[name].append(sample(run, args.seconds))
            time.sleep(SETTLE)
        times['lathe'].append(lathe.bench(args.seconds))
    median = {name: float(np.median(t)) for name, t in times.items()}
    best = min(v for name, v in median.items() if name != 'lathe')
    ratio = best / median['lathe']
    columns = '  '.join(f'{name} {ms:8.2f}' for name, ms in median.items())
    print(f"{os.path.basename(path)[:-5]:30s} b{batch:<3d} {precision:4s} {columns}  ratio {ratio:5.3f}  "
          f"cosine {agreement:.7f}  built in {lathe.build_s:.1f} s", flush=True)
    return ratio


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('models')
    parser.add_argument('--lathe', default=os.path.join(os.path.dirname(__file__), '..', 'build', 'cli', 'lathe'))
    parser.add_argument('--threads', type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument('--batch', default='1')
    parser.add_argument('--only', default='')
    parser.add_argument('--precision', default='f32')
    parser.add_argument('--seconds', type=float, default=2)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--timing-cache', default='none')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for precision in args.precision.split(','):
            ratios = []
            for path in sorted(glob.glob(args.models + '/*.onnx')):
                if any(part in os.path.basename(path) for part in args.only.split(',')):
                    ratios += [compare(args, path, int(b), precision, folder) for b in args.batch.split(',')]
            if ratios:
                print(f'{precision}: geometric mean of {len(ratios)} ratios: {np.exp(np.mean(np.log(ratios))):.3f}')


if __name__ == '__main__':
    main()
