#!/usr/bin/env python3
"""How much of its reader each fuzz target reaches with its committed seed corpus: tools/fuzz_reach.py COVERAGE_BUILD.

Replays one target at a time in a build made by `script/build --coverage --tests` and counts the lines of the files (or
functions) that tests/fuzz/readers.txt names for it. Exit status 1 when one is below the limit, when a line of the table
names nothing, or when a target has no line in the table.
"""
import glob
import json
import os
import subprocess
import sys

LIMIT = 0.70


def read_table(path):
    table = []
    for line in open(path, encoding='utf-8'):
        words = line.split('#', 1)[0].split()
        if words:
            table.append((words[0], words[1], words[2:]))
    return table


def counters(build):
    return glob.glob(os.path.join(build, '**', '*.gcda'), recursive=True)


def replay(build, target):
    for path in counters(build):
        os.unlink(path)
    program = os.path.join(build, 'tests', 'replay_' + target)
    corpus = os.path.join('tests', 'fuzz', 'corpus', target)
    subprocess.run([program, corpus], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def reached(build, file, functions):
    """(lines reached, lines) of one source file, as the counters stand now."""
    ending = file.removeprefix('src/').replace('/', '_').join(('src_', '.gcda'))
    objects = [path for path in counters(build) if os.path.basename(path).endswith(ending)]
    hits = {}
    for path in objects:
        text = subprocess.run(['gcov', '--json-format', '--stdout', os.path.abspath(path)], cwd=build, check=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        for part in json.loads(text)['files']:
            if not part['file'].endswith(file):
                continue
            for line in part['lines']:
                if not functions or line.get('function_name') in functions:
                    number = line['line_number']
                    hits[number] = hits.get(number, 0) + line['count']
    return sum(1 for n in hits.values() if n), len(hits)


def main():
    build = sys.argv[1]
    table = read_table('tests/fuzz/readers.txt')
    bad = False
    last = None
    for target, file, functions in table:
        if target != last:
            replay(build, target)
            last = target
        got, lines = reached(build, file, functions)
        share = got / lines if lines else 0.0
        low = share < LIMIT
        bad = bad or low
        where = file + (f' ({len(functions)} functions)' if functions else '')
        print(f'{target:18s} {where:48s} {got:4d} of {lines:4d} lines {100 * share:5.1f} %' + ('  TOO FEW' if low else ''))
    targets = {os.path.basename(path).removeprefix('replay_')
               for path in glob.glob(os.path.join(build, 'tests', 'replay_*')) if os.access(path, os.X_OK) and not os.path.isdir(path)}
    for target in sorted(targets - {row[0] for row in table}):
        print(f'{target:18s} has no line in tests/fuzz/readers.txt')
        bad = True
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
