#!/usr/bin/env python3
"""Turns files into one C header of byte arrays: embed.py NAME OUT FILE...

The header defines `static const struct {name, bytes, len} NAME[]`; a file's name in it is its base name without suffix.
"""
import os
import sys


def main():
    table, out, files = sys.argv[1], sys.argv[2], sys.argv[3:]
    lines = ["/* Made by tools/embed.py. */", "#include <stddef.h>"]
    entries = []
    for i, path in enumerate(files):
        with open(path, "rb") as handle:
            data = handle.read()
        lines.append(f"static const unsigned char {table}_{i}[] = {{")
        for at in range(0, len(data), 20):
            lines.append("    " + ",".join(str(byte) for byte in data[at : at + 20]) + ",")
        lines.append("    0};")
        name = os.path.splitext(os.path.basename(path))[0]
        entries.append(f'    {{"{name}", {table}_{i}, {len(data)}}},')
    lines.append("static const struct {")
    lines.append("    const char *name;")
    lines.append("    const unsigned char *bytes;")
    lines.append("    size_t len;")
    lines.append(f"}} {table}[] = {{")
    lines += entries + ["};", ""]
    with open(out, "w", encoding="ascii") as handle:
        handle.write("\n".join(lines))


main()
