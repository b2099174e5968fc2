#!/usr/bin/env python3
"""Does `transformers` give the same logits for a model folder as we do? compare_folder.py BUILD_FOLDER MODEL_FOLDER
[CODE_PATH]. Needs torch and transformers. Loads the folder with AutoModelForSequenceClassification and its tokenizer with
AutoTokenizer, runs windows of random pieces and of log-like text through both, prints the largest difference, and ends
with status 1 when it is above 1e-4 (float paths) or 0.2 (narrower ones)."""
import pathlib
import random
import subprocess
import sys

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

TEXTS = ["error: undefined reference to `main'", "[INFO] BUILD FAILURE", "npm ERR! code ENOTFOUND", "ok 1 - it adds",
         "E   assert 1 == 0", "Killed", "No space left on device", "+ make -j1 test"]


def main() -> int:
    build, folder = pathlib.Path(sys.argv[1]), sys.argv[2]
    path = sys.argv[3] if len(sys.argv) > 3 else "portable_fp32"
    torch.set_num_threads(1)
    model = AutoModelForSequenceClassification.from_pretrained(folder).float().eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    draw = random.Random(1)
    longest = model.config.max_position_embeddings
    windows = [[draw.randrange(5, model.config.vocab_size) for _ in range(n)] for n in (1, 2, 9, 40, longest - 1, longest)]
    windows += [tokenizer(text)["input_ids"] for text in TEXTS]
    windows += [tokenizer(text, draw.choice(TEXTS))["input_ids"] for text in TEXTS]
    given = "".join(" ".join(map(str, window)) + "\n" for window in windows)
    out = subprocess.run([build / "tests/golden/folder_logits", folder, path], input=given, text=True, check=True,
                         stdout=subprocess.PIPE).stdout.splitlines()
    worst = largest = 0.0
    with torch.no_grad():
        for window, line in zip(windows, out, strict=True):
            wanted = model(torch.tensor([window])).logits[0]
            worst = max(worst, (wanted - torch.tensor([float(x) for x in line.split()])).abs().max().item())
            largest = max(largest, wanted.abs().max().item())
    bound = 1e-4 if path.endswith("fp32") else 0.2
    print(f"{folder}: {type(model).__name__}, {len(windows)} windows on {path}: largest difference {worst:.2e} "
          f"(largest logit {largest:.2f}), bound {bound}")
    return 0 if worst <= bound else 1


sys.exit(main())
