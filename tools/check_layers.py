#!/usr/bin/env python3
"""Who may include whom: check_layers.py [SOURCE_ROOT]. Prints every forbidden include and exits with status 1.

    base <- flow <- wire, tensor <- telemetry, prediction, agent, orchestration, store, world <- lab <- daemon <- cli

A room may include itself and everything on a level below it. Rooms on the same level never include each other."""
import pathlib
import re
import sys

LEVELS = [
    ["base"],
    ["flow"],
    ["wire", "tensor"],
    ["telemetry", "prediction", "agent", "orchestration", "store", "world"],
    ["lab"],
    ["daemon"],
    ["cli"],
    ["main"],
]
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([a-z_]+)/[^"]+"')


def forbidden(source_root: pathlib.Path) -> list[str]:
    found = []
    for path in sorted(source_root.glob("*/**/*.[ch]")):
        room = path.relative_to(source_root).parts[0]
        if room not in LEVEL:
            found.append(f"{path}: the room '{room}' stands in no level of tools/check_layers.py")
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            match = INCLUDE.match(line)
            if not match or match[1] == room or match[1] not in LEVEL:
                continue
            if LEVEL[match[1]] >= LEVEL[room]:
                found.append(f"{path}:{number}: {room} must not include {match[1]}")
    return found


def main() -> int:
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent / "src"
    found = forbidden(root)
    print("\n".join(found) if found else "no forbidden include")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
