#!/usr/bin/env python3
"""The layer check passes on the house, and fails on a planted forbidden include."""
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHECK = [sys.executable, str(ROOT / "tools" / "check_layers.py")]


def run(source_root: pathlib.Path) -> subprocess.CompletedProcess:
    return subprocess.run([*CHECK, str(source_root)], text=True, capture_output=True)


house = run(ROOT / "src")
assert house.returncode == 0, house.stdout
with tempfile.TemporaryDirectory() as folder:
    for room, line in [("flow", '#include "wire/json.h"'), ("store", '#include "agent/observe.h"'),
                       ("telemetry", '#include "daemon/house.h"')]:
        planted = pathlib.Path(folder) / room
        planted.mkdir()
        (planted / "a.c").write_text(f"/* planted */\n{line}\n")
    found = run(pathlib.Path(folder))
    assert found.returncode == 1, found.stdout
    assert found.stdout.count("must not include") == 3, found.stdout
    assert "flow/a.c:2: flow must not include wire" in found.stdout, found.stdout
print("ok")
