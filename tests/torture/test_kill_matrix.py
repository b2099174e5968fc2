"""Kills the real daemon before and after every step of every action: intent, commit, send, reply, verification. Each row
has a world of its own, in whose troubles that very action is called for again and again, and the rows run side by side:
`test_kill_matrix.py` runs all of them, `test_kill_matrix.py Matrix.test_rollback` one.

Every cell is reached for certain: the daemon lives until it dies there by the library's hand, and a cell that does not
come fails the test. What it had told before its death, and what its store holds, must fit the cell. At the end of a row
each action is done at most once under its key, each is traced in the store to its end, and each case is closed.
"""
import os
import pathlib
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import unittest

from killing import Deaths, faults, trouble  # first: it finds the harness
import harness

SEED = int(os.environ.get("NS_TORTURE_SEED") or random.SystemRandom().randrange(2**31))
CELL_LIMIT_S = 120
TRIES = 5  # an attempt that cannot be prepared never comes to its commit; a page of the store shows that only later
ROUNDS = 5 if harness.LONG else 1


class Row:
    """One action: the troubles that call for it, how its lines and its request are known, what the world calls it."""

    def __init__(self, kind, lines, request, troubles, speed=120, cluster=True, world=(), verified=True, noted=None, baseline='{"v'):
        self.kind, self.lines, self.request, self.troubles, self.speed = kind, lines, request, troubles, speed
        self.cluster, self.world, self.verified, self.noted = cluster, world, verified, noted
        self.action, self.undo = lines.split()[0].removeprefix("action="), lines.endswith("&undo=true")
        self.baseline = baseline  # how what prepare read begins: the row that holds it is the intent

    def cells(self):
        """name: (NS_KILL_AT, states of which one was told last, whether the effect's row is on disk; None: either)"""
        line, row = self.lines, "{key}&" + self.baseline + "@event=intent &" + self.lines
        sent = f"{self.request}@event=sent &{line}"
        cells = {"before intent": (f"line:before:1:event=intent &{line}", None, None),
                 "after intent": (f"line:after:1:event=intent &{line}", ["intent"], None),
                 "before commit": (f"write:before:1:{row}", ["intent"], False),
                 "in commit": (f"sync:before:1:{row}", ["intent"], None),
                 "after commit": (f"line:before:1:event=committed &{{key}}@event=intent &{line}", ["intent"], True)}
        for what in ("send", "reply"):
            for when in ("before", "after"):
                cells[f"{when} {what}"] = (f"{what}:{when}:1:{sent}", ["sent"], True)
        if self.noted:  # a scaling's key is written in a patch of its own
            for what in ("send", "reply"):
                for when in ("before", "after"):
                    cells[f"{when} {what} of its note"] = (f"{what}:{when}:1:{self.noted}@event=sent &{line}", ["sent"], True)
        if self.verified:
            before = "acknowledged" if self.undo else "verifying"  # pods that go leave nothing to be watched
            verified = f"event=closed &{{key}}@event={before} &{line}"
            cells["before verify"] = (f"line:before:1:{verified}", [before], True)
            cells["after verify"] = (f"line:after:1:{verified}", ["closed"], True)
        return cells


PATCH = "PATCH /&fieldManager=neuroshield HTTP&{key}"
SCALE = PATCH + "&/scale?"
NOTE = PATCH + "&!/scale?"
FLAKY = trouble(4000, flaky_test=20)
OVERLOAD = trouble(1000, overload=20)
PASSING = [*trouble(600, overload=20), (r"(overload: .*heals_itself_share:) [\d.]+, lasts_s: \{median: \d+",
                                        r"\1 1.0, lasts_s: {median: 600")]

ROWS = {
    "retry_build": Row("build", "action=retry_build ", "POST /&/buildWithParameters", FLAKY, cluster=False),
    "retry_build_without_key": Row("build", "action=retry_build ", "POST /&/buildWithParameters", FLAKY, cluster=False,
                                   world=("--without-key",)),
    "escalate": Row("escalate", "action=escalate ", "POST /pager&{key}", trouble(4000, compile_error=20), cluster=False,
                    verified=False, baseline="{}"),
    "scale_up": Row("scale", "action=scale_up &!undo=true", SCALE, OVERLOAD, noted=NOTE),
    "scale_up_undone": Row("scale", "action=scale_up &undo=true", SCALE, PASSING, speed=360, noted=NOTE),
    "rollback": Row("rollback", "action=rollback ", PATCH, trouble(1000, bad_release=20)),
    "restart_pods": Row("restart", "action=restart_pods ", PATCH, trouble(1000, 1.0, out_of_memory=20)),
}


class Matrix(Deaths):
    def play(self, name):
        row, rng = ROWS[name], random.Random(f"{SEED} {name}")
        self.serve(rng.randrange(2**31), row.speed, row.troubles, row.cluster, *row.world)
        cells, self.hit, died = row.cells(), [], {}
        for round_of in range(ROUNDS):
            order = list(cells)
            rng.shuffle(order)
            for cell in order:
                if round_of > 0:  # the first round is about the daemon's death alone
                    faults(self.address, {row.kind: {rng.choice(("drop_reply", "lose_request", "refuse")): 1}})
                self.assertTrue(any(self.one_cell(row, cell, *cells[cell]) for _ in range(TRIES)), f"{cell}: not reached")
                died[cell] = died.get(cell, 0) + 1
        self.assertEqual(died, dict.fromkeys(cells, ROUNDS), "a cell was not reached")
        self.judge(by_user="--without-key" in row.world)
        self.judge_hits(row)
        print(f"{name}: {len(cells)} cells, each reached {ROUNDS} times; {self.report()}", file=sys.stderr)

    def one_cell(self, row, cell, plan, states, on_disk):
        daemon = self.live(plan)
        key = daemon.wait_for_death(CELL_LIMIT_S)
        self.bury(daemon, cell)
        if states is None:
            return True  # the line that would tell of it was not written
        if "--without-key" in row.world and plan.startswith(("send", "reply")):
            self.assertIn("sent", [move[0] for move in daemon.last_states().values()], cell)
            return True  # nothing on the wire says whose request it was
        told, _, _, action, _, undo = daemon.last_states().get(key) or self.fail(f"{cell}: {key} was never told of")
        self.assertEqual((action, undo), (row.action, row.undo), cell)
        if plan.startswith(("write", "sync")) and told in ("refused", "closed"):
            return False
        self.assertIn(told, states, f"{cell}: {daemon.moves()[-9:]}")
        if on_disk is not None:
            self.assertEqual(self.is_on_disk(key), on_disk, f"{cell}: {key}")
        self.hit.append((cell, key))
        return True

    def is_on_disk(self, key):
        """In the store as the dead left it; looked at in a copy, as opening it would change it."""
        with tempfile.TemporaryDirectory() as folder:
            for suffix in ("", "-wal"):
                shutil.copy(self.folder / "data" / f"neuroshield.db{suffix}", folder)
            store = sqlite3.connect(pathlib.Path(folder) / "neuroshield.db")
            rows = store.execute("SELECT state FROM effects WHERE key = ?", (key,)).fetchall()
            store.close()
            return bool(rows)

    def is_exact(self, row, key):
        """Not: builds without keys, numbers that may be there by somebody's hand, builds merged into another's."""
        return "--without-key" not in row.world and row.kind != "scale" and key not in self.merged

    def judge_hits(self, row):
        """Whoever died in a cell has left an attempt that came to its end, and was done as often as that end says."""
        effects, cases = {e["key"]: e for e in self.effects}, {c["id"]: c for c in self.cases}
        left = [effects[key]["state"] for cell, key in self.hit if cell in ("after send", "before reply", "after reply")]
        if "--without-key" not in row.world:
            self.assertIn("acknowledged", left, "nothing that had been sent was known again")
        for cell, key in self.hit:
            times = self.done.count((row.kind, key))
            if key not in effects:  # nothing was written, so nothing may have left
                self.assertIn(cell, ("after intent", "before commit", "in commit"))
                self.assertEqual(times, 0, f"{cell}: done without a trace: {self.story(key)}")
                continue
            effect = effects[key]
            self.assertEqual(cases[effect["case"]]["state"], "closed", f"{cell}: {key}")
            if effect["state"] == "refused":
                self.assertEqual(times, 0, f"{cell}: refused, and done: {self.story(key)}")
            elif effect["state"] == "acknowledged" and self.is_exact(row, key):
                self.assertEqual(times, 1, f"{cell}: acknowledged, and not done: {self.story(key)}")


for each in ROWS:
    setattr(Matrix, f"test_{each}", lambda self, name=each: self.play(name))


def side_by_side():
    """One process per row: the rows' daemons wait for their worlds most of the time."""
    print(f"NS_TORTURE_SEED={SEED}", file=sys.stderr)
    env = {**os.environ, "NS_TORTURE_SEED": str(SEED)}
    running = [subprocess.Popen([sys.executable, __file__, f"Matrix.test_{name}"], env=env, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for name in ROWS]
    failed = 0
    for one in running:
        out, _ = one.communicate()
        failed += one.returncode != 0
        print(out, file=sys.stderr, end="")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) > 1:
        unittest.main(verbosity=2)
    sys.exit(side_by_side())
