#!/usr/bin/env python3
"""Token ids of Hugging Face `tokenizers` for the test of prediction/wordpiece; writes the files in wordpiece/

    vocab.txt              a small vocabulary, trained on the lines below (the test needs no other)
    cased/, uncased/       tokenizer.json of the same vocabulary, and for vocab.txt a tokenizer_config.json
    cases.txt              text as hex, "|", ids cased, "|", ids uncased; one case a line

Written with tokenizers 0.15.2. The texts are ours. Characters that Unicode got after version 8 are left out: the
tables in `tokenizers` are as old as that, ours are of Unicode 15.
"""
import json
import pathlib
import random
import unicodedata

from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.trainers import WordPieceTrainer

HERE = pathlib.Path(__file__).parent / "wordpiece"
LINES = """\
+ make -j4 all
gcc -O2 -Wall -c src/cart.c -o build/cart.o
src/cart.c:14:3: error: expected ';' before 'return'
src/cart.c: In function 'cart_total':
[INFO] Tests run: 1, Failures: 1, Errors: 0, Skipped: 0 <<< FAILURE! - in shop.CartTest
java.lang.AssertionError: expected:<3> but was:<4>
	at org.junit.Assert.fail(Assert.java:89)
--- FAIL: TestCheckout (1s)
    checkout_test.go:20: got status 500, want 200
npm ERR! code ERESOLVE
npm WARN deprecated request@1: request has been deprecated
FAILED tests/test_cart.py::test_total - AssertionError: assert 3 == 4
E       ModuleNotFoundError: No module named 'yaml'
Downloading ~
docker: Error response from daemon: Get https://registry.example/v1: net/http: TLS handshake timeout.
write /tmp: no space left on device
java.lang.OutOfMemoryError: Java heap space
panicked at 'index out of bounds: the len is 3 but the index is 7', src/main.rs:7
curl: (6) Could not resolve host: mirror.example
ERROR: Could not find a version that satisfies the requirement shop==9.9
Permission denied (publickey).
[build] waiting for lock on the package database
Überprüfung der Größe: naïve café façade
проверка завершена успешно
テスト 結果 成功 失敗
""".splitlines()

HOSTILE = [
    "", " ", "\t\r\n", "a", "[CLS] [SEP] [UNK] [MASK] [PAD]", "##ing ##", "#", "x" * 100, "x" * 101, "error" * 20,
    "error" * 21, "e" + "\u0301" * 99, "e" + "\u0301" * 150, "A\u0301\u0327B", "A\u0327\u0301B", "\u00c5\u212b\u212a",
    "\u0130stanbul \u0131", "\u1e9e\u00df", "\u03a3\u03b1\u03c2", "\uac00\ub098\ub2e4", "\u4e2d\u6587\u6d4b\u8bd5abc\u4e2d",
    "\uf900\uf901x", "\U00020000\U0002f800", "a\u200bb\u200db\u2060c\ufeffd", "a\u00adb", "a\u0000b\ufffdc", "a\u00a0b\u2003c\u3000d\u2028e\u2029f\u0085g",
    "a\x0bb\x0cc\x1cd", "\u2026\u2014\u201cq\u201d\u00bf\u00a1", "\u226e\u2260\u037e\u1fef", "\u00b2\u00bd\u2167", "$+<=>^`|~", "\u20ac\u00a3\u00a9",
    "\U0001f600\U0001f468\u200d\U0001f469", "\u0e01\u0e33\u0e48", "\u0915\u094d\u0937\u093f", "\u0627\u064e\u0644\u0651", "\u1100\u1161\u11a8",
    "\ufb01\ufb02", "\U0001d165\U0001d16d\U0001d15e", "\u302e\u302f x", "\ue000\uf8ff\U000f0000", "ok\u2713 fail\u2717", "\u2588\u2588\u2591 12%",
    "don't re-run e-mail a_b a.b a/b", "1.2.3-SNAPSHOT", "C:\\work\\shop", "\U0010ffff\uffff",
]


def random_text(rng):
    """Characters of all kinds strung together; none younger than Unicode 8 knows (unassigned here means younger)."""
    old = unicodedata.ucd_3_2_0
    text = []
    while len(text) < 40:
        c = chr(rng.choice([rng.randrange(0x20, 0x7f), rng.randrange(0x80, 0x600), rng.randrange(0x600, 0x10000),
                            rng.randrange(0x10000, 0x20000), 0x20, 0x20, rng.randrange(0x61, 0x7b)]))
        if 0xd800 <= ord(c) < 0xe000 or old.category(c) != unicodedata.category(c) or unicodedata.category(c) == "Cn":
            continue
        text.append(c)
    return "".join(text)


def tokenizer(vocab, uncased):
    made = Tokenizer(WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=100))
    made.normalizer = BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=uncased)
    made.pre_tokenizer = BertPreTokenizer()
    return made


def main():
    learner = Tokenizer(WordPiece(unk_token="[UNK]"))
    learner.normalizer = BertNormalizer(lowercase=False)
    learner.pre_tokenizer = BertPreTokenizer()
    learner.train_from_iterator(LINES + [line.lower() for line in LINES], WordPieceTrainer(
        vocab_size=600, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False))
    pieces = sorted(learner.get_vocab(), key=learner.get_vocab().get)
    vocab = {piece: i for i, piece in enumerate(pieces)}
    (HERE / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    both = {name: tokenizer(vocab, name == "uncased") for name in ("cased", "uncased")}
    for name, one in both.items():
        (HERE / name).mkdir(exist_ok=True)
        (HERE / name / "tokenizer.json").write_text(one.to_str(), encoding="utf-8")
        (HERE / name / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": name == "uncased"}) + "\n")
    rng = random.Random(11)
    with open(HERE / "cases.txt", "w", encoding="ascii") as out:
        for text in LINES + HOSTILE + [random_text(rng) for _ in range(120)]:
            ids = [" ".join(map(str, both[name].encode(text, add_special_tokens=False).ids)) for name in ("cased", "uncased")]
            out.write(text.encode("utf-8", "surrogatepass").hex() + "|" + "|".join(ids) + "\n")


if __name__ == "__main__":
    main()
