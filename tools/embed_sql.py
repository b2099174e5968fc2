#!/usr/bin/env python3
"""Writes the numbered migration steps (NNNN_name.sql) as one C file, so that the program needs no files beside it.

usage: embed_sql.py OUTPUT.c STEP.sql...
"""
import os
import re
import sys


def c_string(text):
    lines = []
    for line in text.splitlines(keepends=True):
        escaped = line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        lines.append('     "%s"' % escaped)
    return "\n".join(lines)


def main(arguments):
    output, steps = arguments[0], sorted(arguments[1:], key=os.path.basename)
    entries = []
    for number, path in enumerate(steps, start=1):
        match = re.fullmatch(r"(\d{4})_([a-z_]+)\.sql", os.path.basename(path))
        if match is None or int(match.group(1)) != number:
            sys.exit("%s: step %d must be called %04d_name.sql; numbers have no gaps" % (path, number, number))
        with open(path, encoding="utf-8") as step:
            entries.append('    {"%s",\n%s},' % (match.group(2), c_string(step.read())))
    with open(output, "w", encoding="utf-8") as out:
        out.write("/* Made by tools/embed_sql.py from src/store/migrations. */\n")
        out.write('#include "store/migrate.h"\n\n')
        out.write("const ns_migration ns_migrations[] = {\n%s\n};\n\n" % "\n".join(entries))
        out.write("const int ns_migration_count = %d;\n" % len(entries))


if __name__ == "__main__":
    main(sys.argv[1:])
