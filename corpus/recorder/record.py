#!/usr/bin/python3
"""Records build logs: real tools on small projects of ours, real faults, Jenkins' frame.

    sudo corpus/recorder/record.py --scratch DIR [--worker N] [--only NAME]... [--tool NAME]... [--builds N]

DIR/cache holds what the package managers' own clients fetched (see fetch.sh); the raw logs appear in DIR/raw. A build whose real
outcome is not the intended one, or whose fault cannot be found in its log, is left out. pack.py makes the corpus of what is there.
"""
import argparse
import gzip
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import traceback

import sandbox

SEED = 20260302


# How often a cause is injected, relative to the others, and the faults by cause (the rest is config).
WEIGHTS = {"test_failure": 2.2, "compile_error": 1.8, "flaky_test": 1.5, "dependency": 2.2, "registry_outage": 1.1, "out_of_memory": 1.8, "disk_full": 1.2, "timeout": 1.4,
           "agent_lost": 1.1, "config": 1.4, "bad_release": 3.0, "overload": 3.0}
CAUSES = {
    "compile_error": "compile link test_compile syntax import module lint", "test_failure": "assertion error exception panic crash", "flaky_test": "flaky",
    "dependency": "conflict missing_version convergence", "out_of_memory": "memory heap killed metaspace oom_pod", "disk_full": "disk_full disk_full_repository", "timeout": "hang rollout_stuck",
    "agent_lost": "agent_lost no_more_processes read_only", "bad_release": "crash_loop bad_answers bad_health bad_image", "overload": "overload", "registry_outage": "upload git_outage api_down",
}


def cause_of(fault):
    """The cause a fault is listed under (each Fault carries its own cause too)."""
    if fault.startswith("registry_") and fault != "registry_credentials":
        return "registry_outage"
    return next((cause for cause, names in CAUSES.items() if fault in names.split()), "config")


def draw_faults(names, rng):
    """All faults in random order, likelier causes earlier; a cause's own faults take turns."""
    by_cause = {}
    for name in names:
        by_cause.setdefault(cause_of(name), []).append(name)
    for group in by_cause.values():
        rng.shuffle(group)
    order = []
    turns = {cause: 0 for cause in by_cause}
    while len(order) < 40:
        # a cause that had its turns already is less likely, not impossible
        cause = rng.choices(list(by_cause), [WEIGHTS[c] / (1 + 2 * turns[c]) for c in by_cause])[0]
        order.append(by_cause[cause][turns[cause] % len(by_cause[cause])])
        turns[cause] += 1
    return order


def plan(spec, kit, rng, builds):
    """Which builds: green ones first, then green and failing ones mixed, half of each."""
    faults = draw_faults(sorted(n for n in kit.faults() if n not in spec.without and (not spec.faults or n in spec.faults)), rng)
    rows, used = [], 0
    for i in range(builds):
        failing = i >= 3 and (used < (builds + 1) // 2) and (rng.random() < 0.66 or builds - i <= (builds + 1) // 2 - used)
        rows.append(faults[used] if failing else None)
        used += failing
    return rows


def choose_survivors(spec, kit, rng, habits, failing):
    chosen = {name for name in habits if rng.random() < 0.85}
    others = [n for n in kit.survivors if n not in habits and n not in spec.without]
    if others and rng.random() < 0.45:
        chosen.update(rng.sample(others, min(len(others), rng.choice((1, 1, 2)))))
    return chosen


def record_one(job, number, seed, fault, survivors):
    """Plays one build; (build, failure, why it cannot be used)."""
    from build import Build

    build = Build(job, number, seed, fault, survivors)
    message = job.kit.evolve(job, number, build.rng)
    if hasattr(job.kit, "for_survivors"):
        job.kit.for_survivors(job, survivors, build.rng)
    if build.rng.random() < 0.4:
        job.commit(message)
        message = job.kit.evolve(job, number, build.rng)
    good = job.commit(message)
    if build.fault and build.fault.edit:
        build.fault.edit(job)
        job.commit(build.rng.choice((message, job.kit.subject(job, build.rng))))
    try:
        failure = build.run()
    finally:
        if build.fault and build.fault.edit:
            job.git("checkout", "-q", good, "--", ".")
            for extra in job.git("diff", "--name-only", "--diff-filter=A", good, "HEAD").split("\n"):
                if extra:
                    os.unlink(job.path(extra))
            job.commit(job.kit.subject(job, build.rng))
    why = None
    if bool(failure) != bool(fault):
        why = "outcome differs from the intended one"
    elif fault and build.fault_line() is None:
        why = "the fault is not to be seen"
    return build, failure, why


def times_of(console):
    """[line, second] at up to 33 points of the log."""
    total = len(console.lines)
    points = sorted({min(total - 1, total * i // 32) for i in range(33)})
    return [[p + 1, round(console.times[p], 2)] for p in points]


def save(raw, job, build, failure, survivors):
    folder = f"{raw}/{job.name}"
    os.makedirs(folder, exist_ok=True)
    spec, fault = job.spec, build.fault
    row = {
        "project": job.name, "number": build.number, "tool": job.kit.tool, "split": spec.split, "outcome": "failure" if failure else "success",
        "cause": fault.cause if fault else None, "fault": fault.name if fault else None, "fault_line": build.fault_line(), "survived": sorted(survivors),
        "frame": build.style["frame"], "times": times_of(build.console), "lines": len(build.console.lines),
    }
    text = "\n".join(build.console.lines) + "\n"
    with gzip.GzipFile(f"{folder}/{build.number:04d}.log.gz", "wb", mtime=0) as handle:
        handle.write(text.encode("utf8", "replace"))
    with open(f"{folder}/{build.number:04d}.json", "w", encoding="ascii") as handle:
        json.dump(row, handle)


def record_project(spec, own, mirror, raw, builds, seed):
    from build import Job

    rng = random.Random(f"{spec.name} {seed}")
    job = Job(spec, own, mirror)
    for past in range(8):   # some history, so that the first commit is out of sight
        job.commit(job.kit.evolve(job, past, rng))
    candidates = [n for n in job.kit.survivors if n not in spec.without]
    habits = set(rng.sample(candidates, min(len(candidates), rng.choice((0, 1, 1, 2)))))
    number = rng.randint(1, 400)
    counts = [0, 0, 0]
    for fault in plan(spec, job.kit, rng, builds):
        number += rng.choice((1, 1, 1, 2, 3))
        survivors = choose_survivors(spec, job.kit, rng, habits, bool(fault))
        began = time.monotonic()
        try:
            build, failure, why = record_one(job, number, seed, fault, survivors)
        except Exception:  # a fault of the recorder must not end the recording
            traceback.print_exc()
            counts[2] += 1
            continue
        spent = time.monotonic() - began
        if why:
            counts[2] += 1
            print(f"{spec.name} #{number} {fault or 'green'} {sorted(survivors)}: {why} ({spent:.1f} s)", file=sys.stderr)
            with open(f"{raw}/rejected-{spec.name}-{number}-{fault}.log", "w", encoding="utf8", errors="replace") as handle:
                handle.write("\n".join(build.console.lines))
            continue
        save(raw, job, build, failure, survivors)
        counts[bool(fault)] += 1
        if os.environ.get("RECORDER_VERBOSE"):
            print(f"{spec.name} #{number} {fault or 'green'} line {build.fault_line()} of {len(build.console.lines)} ({spent:.1f} s)", file=sys.stderr)
    if hasattr(job, "cluster"):
        job.cluster.close()
    subprocess.run(["rm", "-rf", job.workspace, job.workspace + "@tmp", job.source, *(f"/tmp/{n}" for n in os.listdir("/tmp"))], check=False)
    print(f"{spec.name}: {counts[0]} green, {counts[1]} failing, {counts[2]} left out", file=sys.stderr, flush=True)


def claim(raw, name):
    """Whether this worker may record the project: several workers share one list."""
    os.makedirs(f"{raw}/claims", exist_ok=True)
    try:
        os.mkdir(f"{raw}/claims/{name}")
    except FileExistsError:
        return False
    return True


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--scratch", required=True)
    p.add_argument("--raw", default="raw", help="folder in the scratch folder for the raw logs")
    p.add_argument("--worker", type=int, default=0)
    p.add_argument("--only", action="append", default=[])
    p.add_argument("--tool", action="append", default=[])
    p.add_argument("--builds", type=int, default=0)
    a = p.parse_args()
    os.environ.setdefault("RECORDER_WORKER", str(a.worker))
    sandbox.enter(a.scratch, a.worker, sys.argv[1:])
    sandbox.furnish(a.scratch, a.worker)
    os.environ["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    from mirror import Mirror
    from projects import PROJECTS

    mirror = Mirror("/srv/rec/cache", "/srv/rec/certificates")
    raw = f"/srv/rec/{a.raw}"
    os.makedirs(raw, exist_ok=True)
    wanted = [s for s in PROJECTS if (not a.only or s.name in a.only) and (not a.tool or s.kit.tool in a.tool)]
    random.Random(7).shuffle(wanted)
    slow = {"npm": 1, "elixir": 2, "ant": 2, "python": 2, "cargo": 3, "maven": 4}
    wanted.sort(key=lambda spec: 0 if spec.faults else slow.get(spec.kit.tool, 0))
    for spec in wanted:
        if not claim(raw, spec.name):
            continue
        record_project(spec, f"/srv/rec/worker-{a.worker}", mirror, raw, a.builds or spec.builds, SEED)


if __name__ == "__main__":
    main()
