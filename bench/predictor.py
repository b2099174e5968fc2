#!/usr/bin/env python3
"""Our encoder beside its peers, in one run: bench/predictor.py [--rounds N] [--seconds S] [--shapes small,distilbert]
[--threads 1,2] [--windows B] [--tokens T] [--json] [--vocabulary FOLDER --logs LOG...].

The same random model goes to all: our bench/encoder writes it as a Hugging Face folder; ONNX Runtime gets it exported and
optimised (its own passes, and before them those for BERT), as floats and dynamically quantised to int8; torch runs it
as floats and as bfloat16, eager, bfloat16 also traced. The better of each pair counts. Everyone takes turns for a number of rounds, so
that other work on the machine hits all alike. Printed: the median and least wall time, the least processor time, and
ours against each; and everyone's logits for the first window, which must be near each other. Peers that are not installed are said to be absent.
With a vocabulary (a model folder) and logs also the tokeniser beside Hugging Face's `tokenizers` (bench/reading.py).

Needs: ninja -C build bench/bench_encoder bench/bench_reading. Peers need python's torch, transformers, onnx, onnxruntime."""
import argparse
import json
import logging
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

ROOT = pathlib.Path(__file__).resolve().parent.parent
OURS = pathlib.Path(os.environ.get("NS_BENCH_ENCODER", ROOT / "build/bench/bench_encoder"))
warnings.filterwarnings("ignore")


def processor() -> str:
    info = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    name = next(line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name"))
    flags = next(line for line in info.splitlines() if line.startswith("flags")).split()
    known = [f for f in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16") if f in flags]
    return f"{name}, {os.cpu_count()} cores, {' '.join(known)}"


class Timed:
    """A function run for a while: wall and processor time of each call, in ms."""

    def __init__(self, name, call):
        self.name, self.call, self.wall, self.cpu = name, call, [], []
        self.logits = [float(x) for x in call()[0][0]]

    def turn(self, seconds):
        end, least = time.perf_counter() + seconds, 3
        while least > 0 or time.perf_counter() < end:
            cpu, wall = time.process_time(), time.perf_counter()
            self.call()
            self.wall.append((time.perf_counter() - wall) * 1e3)
            self.cpu.append((time.process_time() - cpu) * 1e3)
            least -= 1


class Ours:
    def __init__(self, shape, path, threads, args):
        self.name, self.wall, self.cpu, self.logits = f"ours {path}", [], [], None
        self.command = [OURS, shape, "--path", path, "--threads", str(threads), "--windows", str(args.windows),
                        "--tokens", str(args.tokens)]

    def turn(self, seconds):
        out = subprocess.run([*self.command, "--seconds", str(seconds)], check=True, capture_output=True, text=True)
        for line in out.stdout.splitlines():
            answer = json.loads(line)
            self.wall += [answer["median_ms"], answer["least_ms"]]
            self.cpu += [answer["cpu_median_ms"], answer["cpu_least_ms"]]
            self.logits = answer["logits"]


def our_paths(shape):
    out = subprocess.run([OURS, shape, "--path", "all", "--seconds", "0.01"], check=True, capture_output=True, text=True)
    return [json.loads(line)["code_path"] for line in out.stdout.splitlines()]


def token_ids(args, vocabulary):
    return [[(w * args.tokens + t) * 7919 % vocabulary for t in range(args.tokens)] for w in range(args.windows)]


def onnx_peers(folder, threads, ids, model):
    import numpy
    import onnx
    import onnxruntime
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.transformers import optimizer

    files = {name: str(folder / f"{name}.onnx") for name in ("plain", "fused", "plain-int8", "fused-int8")}
    if not os.path.exists(files["fused-int8"]):
        given = torch.tensor(ids)
        torch.onnx.export(model, (given,), files["plain"], input_names=["ids"], output_names=["logits"], opset_version=14,
                          dynamic_axes={"ids": {0: "b", 1: "t"}})
        best = optimizer.optimize_model(files["plain"], model_type="bert", num_heads=model.config.n_heads,
                                        hidden_size=model.config.dim)
        best.save_model_to_file(files["fused"])
        print(f"  onnx fusions: { {k: v for k, v in best.get_fused_operator_statistics().items() if v > 0} }", file=sys.stderr)
        logging.disable(logging.WARNING)
        for kind in ("plain", "fused"):
            quantize_dynamic(files[kind], files[kind + "-int8"], weight_type=QuantType.QInt8,
                             extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT})
    peers = []
    for name, kind in (("fp32", "plain"), ("fp32", "fused"), ("int8", "plain-int8"), ("int8", "fused-int8")):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        session = onnxruntime.InferenceSession(files[kind], options, providers=["CPUExecutionProvider"])
        feed = {"ids": numpy.array(ids).astype(numpy.int32 if "int32" in session.get_inputs()[0].type else numpy.int64)}
        peers.append(Timed(f"onnxruntime {name} {kind.split('-')[0]}", lambda session=session, feed=feed: session.run(None, feed)))
    return peers


def torch_peers(threads, ids, model):
    import torch

    torch.set_num_threads(threads)
    given = torch.tensor(ids)
    mask = torch.ones_like(given)
    peers = []
    for name, dtype in (("torch fp32", torch.float32), ("torch bf16", torch.bfloat16)):
        cast = model.to(dtype)
        with torch.inference_mode():
            peers.append(Timed(name, lambda cast=cast: cast(given, mask)))
            if dtype == torch.bfloat16:  # torch 1.13 compiles a traced float model again and again: a hundred times slower
                traced = torch.jit.freeze(torch.jit.trace(cast, (given, mask), strict=False))
                peers.append(Timed(name + " traced", lambda traced=traced: traced(given, mask)))
        model = model.float() if dtype == torch.float32 else model
    return peers


def load(folder):
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    model = transformers.DistilBertForSequenceClassification.from_pretrained(folder).eval()
    model.config.return_dict = False
    torch.set_grad_enabled(False)
    return model


def measure(shape, threads, folder, args):
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    ids = token_ids(args, config["vocab_size"])
    runners = [Ours(shape, path, threads, args) for path in our_paths(shape) if path != "portable_fp32"]
    for make in (lambda: onnx_peers(folder, threads, ids, load(folder)), lambda: torch_peers(threads, ids, load(folder))):
        try:
            runners += make()
        except ImportError as missing:
            print(f"  absent: {missing}", file=sys.stderr)
    for _ in range(args.rounds):
        for runner in runners:
            runner.turn(args.seconds)
    rows = [{"who": r.name, "wall_median_ms": statistics.median(r.wall), "wall_least_ms": min(r.wall),
             "cpu_least_ms": min(r.cpu), "logits": r.logits} for r in runners]
    return {"shape": shape, "threads": threads, "windows": args.windows, "tokens": args.tokens, "rows": rows}


def show(result):
    print(f"{result['shape']}, {result['windows']} x {result['tokens']} tokens, {result['threads']} thread(s)")
    rows = result["rows"]
    ours = {r["who"]: r for r in rows if r["who"].startswith("ours")}
    for row in rows:
        ratios = "" if row["who"] in ours else "  " + ", ".join(
            f"{name.split()[1]} {row['wall_least_ms'] / mine['wall_least_ms']:.2f}x wall {row['cpu_least_ms'] / mine['cpu_least_ms']:.2f}x cpu"
            for name, mine in ours.items())
        print(f"  {row['who']:<24} wall median {row['wall_median_ms']:9.3f} least {row['wall_least_ms']:9.3f}"
              f"  cpu least {row['cpu_least_ms']:9.3f} ms  logits {row['logits'][0]:.4f} {row['logits'][1]:.4f}{ratios}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--shapes", default="small,distilbert")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--windows", type=int, default=1)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--vocabulary", type=pathlib.Path)
    parser.add_argument("--logs", nargs="+", default=[])
    args = parser.parse_args()
    if not OURS.exists():
        print(f"{OURS} is not there; ninja -C build bench/bench_encoder", file=sys.stderr)
        return 2
    print(f"processor: {processor()}; load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    for shape in args.shapes.split(","):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            subprocess.run([OURS, shape, "--write", folder], check=True)
            for threads in args.threads.split(","):
                result = measure(shape, int(threads), folder, args)
                if args.json:
                    print(json.dumps(result))
                else:
                    show(result)
    if args.vocabulary is not None and args.logs:
        reading = [sys.executable, ROOT / "bench/reading.py", OURS.parent / "bench_reading", args.vocabulary, *args.logs]
        return subprocess.run(reading, stdout=sys.stderr if args.json else None, check=False).returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
