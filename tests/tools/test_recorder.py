#!/usr/bin/env python3
"""The recorder's tables agree with the house: causes, splits, plans. (Recording itself needs the tools it records.)"""
import os
import pathlib
import random
import re
import sys
import types

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "corpus" / "recorder"))
os.environ["RECORDER_INSIDE"] = "1"

import build  # noqa: E402
import record  # noqa: E402
from frame import Console  # noqa: E402
from projects import PROJECTS  # noqa: E402

causes = set(re.findall(r"^\s+X\((\w+),", (ROOT / "src" / "flow" / "cause.h").read_text(), re.M)) - {"none"}
assert set(record.WEIGHTS) == causes, set(record.WEIGHTS) ^ causes

assert len(PROJECTS) >= 40 and len({p.name for p in PROJECTS}) == len(PROJECTS)
for split in ("train", "validation", "test"):
    assert len({p.kit.tool for p in PROJECTS if p.split == split}) >= 6, split
for spec in PROJECTS:
    plan = record.plan(spec, spec.kit, random.Random(5), 15)
    assert plan == record.plan(spec, spec.kit, random.Random(5), 15), spec.name
    assert plan[:3] == [None] * 3 and sum(f is not None for f in plan) == 8, (spec.name, plan)
    assert {f for f in plan if f} <= set(spec.kit.faults()), spec.name
    assert {record.cause_of(f) for f in spec.kit.faults()} <= causes, spec.name

# Every fault of a kit carries the cause it is listed under (config where it is listed under none).
for spec in {type(p.kit): p for p in PROJECTS}.values():
    player = types.SimpleNamespace(rng=random.Random(1), job=types.SimpleNamespace(spec=spec, workspace="/w"), style=spec.style, number=1)
    for name, make in spec.kit.faults().items():
        fault = make(player)
        assert fault.cause == record.cause_of(name), (spec.name, name, fault.cause)
        re.compile(fault.see)

import datetime  # noqa: E402

for stamps, pattern in (("none", r"^x$"), ("iso", r"^\[2026-03-02T06:00:0\d\.\d{3}Z\] x$"), ("clock", r"^06:00:0\d x$")):
    console = Console(stamps, False, datetime.datetime(2026, 3, 2, 6))
    console.stamping = True
    console.emit("x")
    assert re.match(pattern, console.lines[0]), console.lines
assert build.holds(lambda b: b.sh("make", "build"), "build") and not build.holds(lambda b: b.sh("make", "build"), "test")
print("ok")
