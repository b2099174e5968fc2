#!/usr/bin/env python3
"""Training speed beside PyTorch: train_encoder.py BUILD_FOLDER [--threads N] [--rounds N]. Needs torch and transformers.

One shape (4 layers of 256, feed-forward 1024, 8,192 pieces, 16 windows of 128 tokens, 15 % hidden), one machine, one
run: ours and torch take turns, so that what else runs on the machine meets both. Torch gets its best setting here:
autocast to bfloat16, logits of the hidden places only, AdamW with foreach, no padding mask. Prints tokens a second by the
clock and by processor time (the fairer one on a busy machine), and the ratios of medians."""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

LAYERS, CHANNELS, HEADS, INNER, VOCABULARY, WINDOW, WINDOWS = 4, 256, 4, 1024, 8192, 128, 16
TOKENS = WINDOW * WINDOWS


def torch_step(threads: int, autocast: bool):
    import torch
    from transformers import DistilBertConfig, DistilBertForMaskedLM

    torch.manual_seed(1)
    torch.set_num_threads(threads)
    model = DistilBertForMaskedLM(
        DistilBertConfig(vocab_size=VOCABULARY, dim=CHANNELS, n_layers=LAYERS, n_heads=HEADS, hidden_dim=INNER,
                         max_position_embeddings=WINDOW)
    ).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-4, foreach=True)
    ids = torch.randint(0, VOCABULARY, (WINDOWS, WINDOW))
    places = torch.arange(TOKENS) % 20 < 3
    wanted = torch.randint(0, VOCABULARY, (int(places.sum()),))

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            hidden = model.distilbert(ids)[0].reshape(TOKENS, CHANNELS)[places]
            hidden = model.vocab_layer_norm(model.activation(model.vocab_transform(hidden)).float())
            loss = torch.nn.functional.cross_entropy(model.vocab_projector(hidden).float(), wanted)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()

    return step


def torch_speed(threads: int, autocast: bool, seconds: float) -> tuple[float, float]:
    step = torch_step(threads, autocast)
    for _ in range(2):
        step()
    took, used, begun = [], 0.0, time.monotonic()
    while time.monotonic() - begun < seconds or len(took) < 3:
        before, processor = time.monotonic(), time.process_time()
        step()
        took.append(time.monotonic() - before)
        used += time.process_time() - processor
    return TOKENS / statistics.median(took), TOKENS * len(took) / used


def peer(kind: str, threads: int, seconds: float) -> tuple[float, float]:
    """In a process of its own: its memory and its threads are gone before the next."""
    out = subprocess.run([sys.executable, __file__, "--peer", kind, "--threads", str(threads), "--seconds", str(seconds)],
                         check=True, stdout=subprocess.PIPE, text=True, env=dict(os.environ, OMP_NUM_THREADS=str(threads)))
    return tuple(json.loads(out.stdout))


def ours(build: pathlib.Path, precision: str, threads: int, seconds: float) -> tuple[float, float, str]:
    shape = [LAYERS, CHANNELS, HEADS, INNER, VOCABULARY, WINDOW, WINDOWS, threads]
    out = subprocess.run([str(build / "bench" / "train_encoder"), *map(str, shape), precision, str(int(seconds))],
                         check=True, stdout=subprocess.PIPE, text=True)
    told = json.loads(out.stdout)
    return told["tokens_per_s"], told["tokens_per_cpu_s"], told["arithmetic"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", nargs="?", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--peer", choices=["bf16", "f32"])
    given = parser.parse_args()
    if given.peer:
        print(json.dumps(torch_speed(given.threads, given.peer == "bf16", given.seconds)))
        return
    found: dict[str, list] = {"ours bf16": [], "ours f32": [], "torch bf16": [], "torch f32": []}
    arithmetic = {}
    for _ in range(given.rounds):
        for kind in ("bf16", "f32"):
            try:
                wall, processor, arithmetic[kind] = ours(given.build, kind, given.threads, given.seconds)
                found["ours " + kind].append((wall, processor))
            except subprocess.CalledProcessError:
                print(f"ours {kind}: not on this processor")
            found["torch " + kind].append(peer(kind, given.threads, given.seconds))
    print(f"{LAYERS} x {CHANNELS}, {WINDOWS} windows of {WINDOW}, {given.threads} threads; ours: {arithmetic}")
    middle = {}
    for name, runs in found.items():
        if runs:
            middle[name] = [statistics.median(run[i] for run in runs) for i in range(2)]
            print(f"{name:>10}: {middle[name][0]:8.0f} tokens/s by the clock, {middle[name][1]:8.0f} a processor second")
    for kind in ("bf16", "f32"):
        if "ours " + kind in middle:
            a, b = middle["ours " + kind], middle["torch " + kind]
            print(f"ratio {kind}: {a[0] / b[0]:.2f} by the clock, {a[1] / b[1]:.2f} by processor time")


main()
