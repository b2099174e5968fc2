#!/usr/bin/env python3
"""Checks the recorded corpus: check_corpus.py [DIR]

Fields and files of the index, fault lines inside their logs, splits by whole project, references before failures, no names of the
machine it was recorded on, and nothing trivial that tells the outcome: neither size nor frame nor the last line.
"""
import collections
import gzip
import hashlib
import json
import os
import re
import sys

FIELDS = ("path", "repo", "source", "licence", "ci", "tool", "outcome", "label_by", "pair", "cause", "cause_by", "fault", "fault_line", "survived",
          "frame", "split", "bytes", "lines", "group", "family", "sha1", "single_class_source", "times")
SPLITS = ("train", "validation", "test")
FORBIDDEN = re.compile(r"/srv/rec|/root/|runsc|AKIA[0-9A-Z]{16}|BEGIN [A-Z ]*PRIVATE KEY")
# Every host in an address is an example, this host, or a page of help that a tool points to.
HOST = re.compile(r"https?://(?:[^/@\s]*@)?([A-Za-z0-9._-]+)")
EXAMPLES = re.compile(r"(^|\.)(example|example\.(org|com|net)|localhost)\.?$|^127\.|^\d+\.\d+\.\d+\.\d+$")
HELP = ("cwiki.apache.org", "www.shellcheck.net", "curl.se", "docs.pytest.org", "eslint.org", "jestjs.io", "nodejs.org", "doc.rust-lang.org", "docs.rs", "go.dev", "packaging.python.org", "pip.pypa.io", "setuptools.pypa.io", "maven.apache.org",
        "www.slf4j.org", "junit.org", "www.w3.org", "kubernetes.io", "github.com", "mochajs.org", "phpunit.de", "cmake.org", "mesonbuild.com", "hexdocs.pm", "errors.pydantic.dev", "sqlalche.me", "docs.python.org")
# What stands at the end once the outcome is known (a predictor's cleaner drops it) and the bare frame around it.
AFTERWARDS = re.compile(r"^Finished: |script returned exit|^ERROR: |^Build step .* marked build|skipped due to earlier failure|^\[Pipeline\] |^Timeout has been exceeded|^hudson\.|^Failed in branch|^Build was aborted|"
                        r"Error when executing always|Required context class|Perhaps you forgot")
STAMP = re.compile(r"^(\[\d{4}-\d\d-\d\dT[\d:.]+Z\]|\d\d:\d\d:\d\d) ")
MOST = {"stump": 0.70, "last line": 0.65, "line of success": 0.66}
LEAST_LOGS, LEAST_PROJECTS, MOST_BYTES = 600, 40, 16_000_000


def causes(root):
    """The names of src/flow/cause.h."""
    with open(os.path.join(root, "src/flow/cause.h"), encoding="ascii") as handle:
        return set(re.findall(r"^\s+X\((\w+),", handle.read(), re.M)) - {"none"}


def auc(scores, labels):
    order = sorted(range(len(scores)), key=lambda i: scores[i])
    rank, i = [0.0] * len(scores), 0
    while i < len(order):
        j = i
        while j + 1 < len(order) and scores[order[j + 1]] == scores[order[i]]:
            j += 1
        for k in range(i, j + 1):
            rank[order[k]] = (i + j) / 2 + 1
        i = j + 1
    positive = sum(labels)
    negative = len(labels) - positive
    if not positive or not negative:
        return 0.5
    return (sum(r for r, y in zip(rank, labels) if y) - positive * (positive + 1) / 2) / (positive * negative)


def template(line):
    return re.sub(r"\d+", "0", re.sub(r"\b[0-9a-f]{7,}\b", "<h>", STAMP.sub("", line)))[:80]


def share_elsewhere(keys, labels, projects):
    """Failing share of each key in the other projects, drawn to one half where it was seldom seen."""
    seen, own = collections.Counter(), collections.Counter()
    for key, label, project in zip(keys, labels, projects):
        seen[key, label] += 1
        own[key, label, project] += 1
    scores = []
    for key, project in zip(keys, projects):
        bad, good = (seen[key, y] - own[key, y, project] for y in (1, 0))
        scores.append((bad + 1) / (bad + good + 2))
    return scores


def line_of_success(rows):
    """The line that green logs of many projects have and failing ones lack: (AUC of its presence, line)."""
    seen, projects = collections.Counter(), collections.defaultdict(set)
    for row in rows:
        for line in {template(l) for l in row["visible"]}:
            seen[line, row["outcome"]] += 1
            projects[line].add(row["group"])
    total = collections.Counter(r["outcome"] for r in rows)
    best = max(((seen[l, "success"] / max(1, total["success"]) - seen[l, "failure"] / max(1, total["failure"]), l) for l, where in projects.items() if len(where) >= 6), default=(0.0, ""))
    return 0.5 + best[0] / 2, best[1]


class Checker:
    def __init__(self, folder, root):
        self.folder, self.problems, self.causes = folder, [], causes(root)
        with open(os.path.join(folder, "index.jsonl"), encoding="ascii") as handle:
            self.rows = [json.loads(line) for line in handle]

    def say(self, text):
        self.problems.append(text)

    def check_row(self, row):
        if set(row) != set(FIELDS):
            return self.say(f"{row.get('path')}: fields {sorted(set(row) ^ set(FIELDS))}")
        path = os.path.join(self.folder, row["path"])
        with gzip.open(path) as handle:
            data = handle.read()
        text = data.decode("utf8", "replace")
        row["text"] = text.split("\n")[:-1]
        if hashlib.sha1(data).hexdigest() != row["sha1"] or len(data) != row["bytes"] or len(row["text"]) != row["lines"]:
            self.say(f"{row['path']}: size, lines or sum differ from the index")
        found = FORBIDDEN.search(text)
        if found:
            self.say(f"{row['path']}: names {found.group(0)}")
        strange = {h for h in HOST.findall(text) if not EXAMPLES.search(h) and h not in HELP}
        if strange:
            self.say(f"{row['path']}: hosts {sorted(strange)}")
        failing = row["outcome"] == "failure"
        if row["outcome"] not in ("failure", "success") or row["split"] not in SPLITS or not row["pair"].isdigit():
            self.say(f"{row['path']}: outcome, split or pair")
        if failing != (row["cause"] in self.causes) or failing != (row["fault_line"] is not None):
            self.say(f"{row['path']}: cause {row['cause']}, fault line {row['fault_line']}")
        if failing and not 1 <= row["fault_line"] <= row["lines"]:
            self.say(f"{row['path']}: fault line {row['fault_line']} of {row['lines']}")
        ending = row["text"][-1]
        if (ending == "Finished: SUCCESS") == failing or not ending.startswith("Finished: "):
            self.say(f"{row['path']}: ends with {ending!r}")
        if [p[0] for p in row["times"]] != sorted(p[0] for p in row["times"]) or row["times"][-1][0] > row["lines"]:
            self.say(f"{row['path']}: times")
        return None

    def check_projects(self):
        projects = collections.defaultdict(list)
        for row in self.rows:
            projects[row["group"]].append(row)
        for name, rows in projects.items():
            if len({r["split"] for r in rows}) != 1:
                self.say(f"{name}: in several splits")
            if len({r["pair"] for r in rows}) != len(rows):
                self.say(f"{name}: a build number twice")
            failing = [int(r["pair"]) for r in rows if r["outcome"] == "failure"]
            before = [r for r in rows if r["outcome"] == "success" and failing and int(r["pair"]) < min(failing)]
            if failing and len(before) < 2:
                self.say(f"{name}: {len(before)} green builds before the first failing one")
        files = {os.path.relpath(os.path.join(d, f), self.folder) for d, _, names in os.walk(os.path.join(self.folder, "logs")) for f in names}
        if files != {r["path"] for r in self.rows}:
            self.say(f"files without a row, or rows without a file: {sorted(files ^ {r['path'] for r in self.rows})[:5]}")
        if len(self.rows) < LEAST_LOGS or len(projects) < LEAST_PROJECTS:
            self.say(f"{len(self.rows)} logs of {len(projects)} projects: {LEAST_LOGS} of {LEAST_PROJECTS} wanted")
        if len({r["sha1"] for r in self.rows}) != len(self.rows):
            self.say("the same log twice")
        size = sum(os.path.getsize(os.path.join(self.folder, r["path"])) for r in self.rows)
        if size > MOST_BYTES:
            self.say(f"{size} bytes")
        failing = sum(r["outcome"] == "failure" for r in self.rows) / max(1, len(self.rows))
        if not 0.4 <= failing <= 0.6:
            self.say(f"{failing:.2f} of the logs fail")
        return len(projects), size

    def leaks(self):
        """How well trivial features tell the outcome (AUC, one half is nothing)."""
        labels = [int(r["outcome"] == "failure") for r in self.rows]
        projects = [r["group"] for r in self.rows]
        for row in self.rows:
            row["visible"] = [line for line in (STAMP.sub("", l) for l in row["text"]) if line.strip() and not AFTERWARDS.search(line)]
        features = {
            "bytes": [r["bytes"] for r in self.rows], "lines": [r["lines"] for r in self.rows], "visible lines": [len(r["visible"]) for r in self.rows],
            "width": [sum(map(len, r["visible"])) / max(1, len(r["visible"])) for r in self.rows], "build number": [int(r["pair"]) for r in self.rows],
            "packed size": [os.path.getsize(os.path.join(self.folder, r["path"])) for r in self.rows], "seconds": [r["times"][-1][1] for r in self.rows],
        }
        stumps = {name: max(a, 1 - a) for name, a in ((n, auc(v, labels)) for n, v in features.items())}
        for name in ("tool", "frame", "ci"):
            share = auc(share_elsewhere([r[name] for r in self.rows], labels, projects), labels)
            stumps[name] = max(share, 1 - share)
        last = auc(share_elsewhere([template(r["visible"][-1]) if r["visible"] else "" for r in self.rows], labels, projects), labels)
        return stumps, max(last, 1 - last), line_of_success(self.rows)

    def run(self):
        for row in self.rows:
            self.check_row(row)
        projects, size = self.check_projects()
        if any("text" not in r for r in self.rows):
            return projects, size, {}, 0.5, (0.5, "")
        stumps, last, success = self.leaks()
        for name, value in stumps.items():
            if value > MOST["stump"]:
                self.say(f"{name} alone tells the outcome: AUC {value:.2f}")
        if last > MOST["last line"]:
            self.say(f"the last line alone tells the outcome: AUC {last:.2f}")
        if success[0] > MOST["line of success"]:
            self.say(f"a line tells success: AUC {success[0]:.2f} of {success[1]!r}")
        return projects, size, stumps, last, success


def main():
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(root, "corpus")
    checker = Checker(folder, root)
    projects, size, stumps, last, success = checker.run()
    failing = sum(r["outcome"] == "failure" for r in checker.rows)
    print(f"{len(checker.rows)} logs of {projects} projects, {failing} failing, {size / 1e6:.1f} MB")
    print("AUC of trivial features: " + ", ".join(f"{n} {v:.2f}" for n, v in sorted(stumps.items(), key=lambda s: -s[1])) + f", last line {last:.2f}, line of success {success[0]:.2f} ({success[1]})")
    for text in checker.problems[:40]:
        print(f"problem: {text}")
    if checker.problems:
        sys.exit(1)


main()
