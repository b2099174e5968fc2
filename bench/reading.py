#!/usr/bin/env python3
"""Reading logs side by side: bench/reading.py PROGRAM VOCABULARY_FOLDER LOG...

PROGRAM is build/bench/bench_reading. Prints how quickly logs are cleaned and made templates (target: 100 MB/s, one
thread), and token ids per second of ours beside Hugging Face's `tokenizers` on the same lines with the same vocabulary
(target: 3 times; one thread each, tokenizers at its best: encode_batch without parallelism)."""
import json
import os
import pathlib
import subprocess
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"


def main():
    program, folder, *logs = sys.argv[1:]
    reading = json.loads(subprocess.run([program, "reading", *logs], capture_output=True, check=True).stdout)
    ours = json.loads(subprocess.run([program, "ids", folder, *logs], capture_output=True, check=True).stdout)
    print(f"reading: {reading['mb_per_s']:.0f} MB/s over {reading['bytes'] / 1e6:.1f} MB, {reading['lines']} lines read")
    print(f"ids, ours: {ours['mb_per_s']:.1f} MB/s, {ours['pieces']} pieces")
    try:
        import tokenizers
    except ImportError:
        print("tokenizers is not installed: no peer")
        return
    from tokenizers.models import WordPiece
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer
    config = json.loads((pathlib.Path(folder) / "tokenizer_config.json").read_text())
    vocab = {p: i for i, p in enumerate((pathlib.Path(folder) / "vocab.txt").read_text().splitlines())}
    peer = tokenizers.Tokenizer(WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=100))
    peer.normalizer = BertNormalizer(lowercase=config["do_lower_case"])
    peer.pre_tokenizer = BertPreTokenizer()
    lines = subprocess.run([program, "forms", *logs], capture_output=True, check=True).stdout.decode().splitlines()
    size, best, pieces = sum(len(line.encode()) + 1 for line in lines), 1e9, 0
    for _ in range(3):
        began, pieces = time.process_time(), 0
        for at in range(0, len(lines), 1000):
            pieces += sum(len(e.ids) for e in peer.encode_batch(lines[at:at + 1000], add_special_tokens=False))
        best = min(best, time.process_time() - began)
    print(f"ids, tokenizers {tokenizers.__version__}: {size / best / 1e6:.1f} MB/s, {pieces} pieces")
    print(f"ratio {ours['mb_per_s'] / (size / best / 1e6):.1f}, pieces {'equal' if pieces == ours['pieces'] else 'DIFFER'}")


if __name__ == "__main__":
    main()
