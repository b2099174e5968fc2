#!/usr/bin/python3
"""Runs every test_*.py of a folder with unittest, one process each: run_python.py FOLDER [NAME...].

Prints one line per test as it ends, and at last `RESULT passed failed skipped` for script/test."""
import pathlib
import subprocess
import sys

ONE = """
import sys, unittest
sys.path[:0] = [{folder!r}, {tests!r}]
class Told(unittest.TextTestResult):
    pass
suite = unittest.defaultTestLoader.discover({folder!r}, pattern={name!r})
result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2, resultclass=Told).run(suite)
bad = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
skipped = len(result.skipped)
# A class that is skipped as a whole counts as skipped, but not as run.
print("COUNT", max(result.testsRun - bad - skipped, 0), bad, skipped)
"""


def main() -> int:
    folder = pathlib.Path(sys.argv[1]).resolve()
    names = sys.argv[2:] or sorted(p.name for p in folder.glob("test_*.py"))
    total = [0, 0, 0]
    for name in names:
        print(f"-- {name}", flush=True)
        code = ONE.format(folder=str(folder), tests=str(folder.parent), name=name)
        try:
            run = subprocess.run([sys.executable, "-c", code], text=True, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, timeout=1200)
            out = run.stdout
        except subprocess.TimeoutExpired as late:
            out = f"{late.stdout or ''}\ntimed out after {late.timeout} s"
        print(out, end="", flush=True)
        counts = [line.split()[1:] for line in out.splitlines() if line.startswith("COUNT ")]
        if counts and sum(map(int, counts[-1])) > 0:
            total = [a + int(b) for a, b in zip(total, counts[-1])]
        else:
            total[1] += 1  # it could not even begin
    print("RESULT", *total)
    return total[1] > 0


if __name__ == "__main__":
    sys.exit(main())
