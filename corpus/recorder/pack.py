#!/usr/bin/env python3
"""Makes the corpus of the raw recordings: pack.py --raw DIR --out corpus [--forbid REGEX]

Copies every log, compressed always the same way, and writes index.jsonl. Nothing is rewritten: a log that names this machine is an
error. Projects with fewer than four usable logs are left out.
"""
import argparse
import glob
import gzip
import hashlib
import json
import os
import re
import shutil
import sys

FORBIDDEN = r"/srv/rec|/root/|runsc"
SUSPICIOUS = re.compile(rb"\[Pipeline\] |lock file held|http fetch GET 200|DependencyConvergence passed|did not settle|database not ready")
MAX_BYTES = 1_400_000


def load(raw):
    rows = []
    for path in sorted(glob.glob(f"{raw}/*/*.json")):
        with open(path, encoding="ascii") as handle:
            row = json.load(handle)
        row["raw"] = path[:-5] + ".log.gz"
        rows.append(row)
    return rows


def entry(row, text, name):
    return {
        "path": name, "repo": row["project"], "source": "recorded", "licence": "MIT", "ci": "jenkins", "tool": row["tool"], "outcome": row["outcome"],
        "label_by": "exit status of the real commands", "pair": str(row["number"]), "cause": row["cause"], "cause_by": "fault injected by the recorder" if row["cause"] else None,
        "fault": row["fault"], "fault_line": row["fault_line"], "survived": row["survived"], "frame": row["frame"], "split": row["split"],
        "bytes": len(text), "lines": text.count(b"\n"), "group": f"recorded/{row['project']}", "family": "recorded", "sha1": hashlib.sha1(text).hexdigest(),
        "single_class_source": False, "times": row["times"],
    }


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--raw", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--forbid", default="", help="what else no log may name: this machine's folders, hosts and registries")
    a = p.parse_args()
    forbidden = re.compile("|".join(filter(None, (FORBIDDEN, a.forbid))).encode(), re.I)
    rows = load(a.raw)
    by_project = {}
    for row in rows:
        by_project.setdefault(row["project"], []).append(row)
    shutil.rmtree(f"{a.out}/logs", ignore_errors=True)
    index, bad, total = [], 0, 0
    for project in sorted(by_project):
        if len(by_project[project]) < 4:
            continue
        os.makedirs(f"{a.out}/logs/{project}")
        for row in by_project[project]:
            with gzip.open(row["raw"]) as handle:
                text = handle.read()
            found = [m.group(0) for m in forbidden.finditer(text)]
            line = text.split(b"\n")[row["fault_line"] - 1] if row["fault_line"] else b""
            if SUSPICIOUS.search(line):
                found.append(line)
            if found or len(text) > MAX_BYTES:
                print(f"{row['raw']}: left out, {len(text)} bytes {sorted(set(found))}", file=sys.stderr)
                bad += 1
                continue
            name = f"logs/{project}/{row['number']:04d}.log.gz"
            with open(f"{a.out}/{name}", "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as handle:
                handle.write(text)
            total += os.path.getsize(f"{a.out}/{name}")
            index.append(entry(row, text, name))
    with open(f"{a.out}/index.jsonl", "w", encoding="ascii") as handle:
        for row in index:
            handle.write(json.dumps(row) + "\n")
    failing = sum(r["outcome"] == "failure" for r in index)
    print(f"{len(index)} logs of {len({r['repo'] for r in index})} projects, {failing} failing, {total / 1e6:.1f} MB, {bad} left out")


main()
