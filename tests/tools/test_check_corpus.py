#!/usr/bin/env python3
"""The recorded corpus passes its check, and copies of it with planted faults do not."""
import gzip
import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
CORPUS = ROOT / "corpus"


def check(folder):
    return subprocess.run([sys.executable, ROOT / "tools" / "check_corpus.py", folder], text=True, capture_output=True)


def rows_of(folder):
    return [json.loads(line) for line in (folder / "index.jsonl").read_text().splitlines()]


def rewrite(folder, row, text):
    data = text.encode()
    (folder / row["path"]).write_bytes(gzip.compress(data, mtime=0))
    row.update(bytes=len(data), lines=data.count(b"\n"), sha1=hashlib.sha1(data).hexdigest())


def text_of(folder, row):
    return gzip.decompress((folder / row["path"]).read_bytes()).decode("utf8", "replace")


def status_line(folder, rows):
    """A line of success near the end of every green log."""
    for row in rows:
        if row["outcome"] == "success":
            lines = text_of(folder, row).split("\n")
            lines.insert(len(lines) - 2, "All stages are fine, nothing to report")
            rewrite(folder, row, "\n".join(lines))


def size(folder, rows):
    """Green logs are longer."""
    for row in rows:
        if row["outcome"] == "success":
            lines = text_of(folder, row).split("\n")
            rewrite(folder, row, "\n".join(lines[:1] + [f"progress {i}" for i in range(5000)] + lines[1:]))


def ci_name(folder, rows):
    for row in rows:
        row["ci"] = "jenkins" if row["outcome"] == "success" else "jenkins-old"


def fault_line(folder, rows):
    next(r for r in rows if r["outcome"] == "failure")["fault_line"] = 10**6


def machine(folder, rows):
    rewrite(folder, rows[0], text_of(folder, rows[0]).replace("Finished: ", "see /root/notes\nFinished: ", 1))


def two_splits(folder, rows):
    rows[0]["split"] = "test" if rows[0]["split"] != "test" else "train"


def flipped(folder, rows):
    green = next(r for r in rows if r["outcome"] == "success")
    green.update(outcome="failure", cause="test_failure", fault_line=1)


found = check(CORPUS)
assert found.returncode == 0, found.stdout + found.stderr
print(found.stdout, end="")
for plant, complaint in ((status_line, "last line alone"), (size, "alone tells the outcome"), (ci_name, "ci alone"), (fault_line, "fault line 1000000"),
                         (machine, "names /root/"), (two_splits, "in several splits"), (flipped, "ends with")):
    with tempfile.TemporaryDirectory() as scratch:
        copy = pathlib.Path(scratch) / "corpus"
        shutil.copytree(CORPUS, copy, ignore=shutil.ignore_patterns("recorder"))
        rows = rows_of(copy)
        plant(copy, rows)
        (copy / "index.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
        found = check(copy)
        assert found.returncode == 1 and complaint in found.stdout, f"{plant.__name__}: {found.stdout}{found.stderr}"
print("ok")
