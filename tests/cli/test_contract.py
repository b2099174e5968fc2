"""The contract that scripts outside rely on: commands, exit statuses, JSON keys, CSV columns, first lines.

The expected names stand here, not in the program: a rename has to break this file."""
import csv
import json
import re
import signal
import subprocess
import unittest

from integration import harness

NOW = ["run", "collect", "status", "config", "scenario", "world", "predict", "evaluate", "leakcheck", "train", "model"]
LATER = ["explain", "replay", "report", "approve", "reject",
         "override", "pause", "resume", "undo", "audit", "doctor", "db", "export"]

SEED_COLUMNS = ["timestamp", "jenkins_last_build_status", "jenkins_last_build_duration", "jenkins_queue_length",
                "prometheus_cpu_usage", "prometheus_memory_usage", "prometheus_pod_count", "prometheus_error_rate"]
NEXT_COLUMNS = ["jenkins_job", "jenkins_build_number", "jenkins_age_ms", "prometheus_age_ms", "kubernetes_age_ms"]

STATUS = {
    "schema": None, "version": None, "uptime_s": None, "mode": None, "acting": None,
    "kill_switch": {"on": None, "by": None, "since": None},
    "sources": [{"name": None, "state": None, "age_s": None, "error": None}],
    "predictor": {"name": None, "sha256": None, "code_path": None, "state": None},
    "policy": {"name": None, "sha256": None, "state": None},
    "store": {"backend": None, "bytes": None, "state": None},
    "pipelines": [{"name": None, "jenkins_job": None, "deployment": None, "case": None,
                   "build": {"number": None, "state": None, "result": None, "failure_probability": None,
                             "decision": None, "scored_age_s": None}}],
    "cases": {"open": None, "waiting": None},
}
ACTIONS = ["no_op", "retry_build", "scale_up", "rollback", "restart_pods", "clear_cache", "isolate_agent", "escalate"]
SUMMARY = {
    "schema": None, "mode": None, "seed": None, "speed": None, "wall_s": None, "world_s": None, "pipelines": None,
    "builds": dict.fromkeys(["seen", "finished", "failed", "scored", "alarmed", "false_alarms"]),
    "incidents": dict.fromkeys(["total", "healable", "healed_by_action", "healed_by_itself", "healed_by_human", "open",
                                "by_cause"]),
    "cases": dict.fromkeys(["opened", "verified", "undone", "inconclusive", "escalated", "refused", "approved",
                            "rejected", "overridden", "reconciled", "open"]),
    "actions": {},
    "controls": {"periods": None, "with_action": None},
    "mttr_s": {"neuroshield": None, "retry_then_human": None, "nothing": None},
    "effects": {"sent": None, "received": None, "unmatched": None},
    "inference_ms": {"p50": None, "p99": None},
    "ended_by": None,
}


def missing(wanted, got, path=""):
    """Paths of `wanted` that `got` lacks. An empty list or a null object cannot be looked into."""
    if isinstance(wanted, list):
        return [m for i, item in enumerate(got) for m in missing(wanted[0], item, f"{path}[{i}]")]
    if not isinstance(wanted, dict) or got is None:
        return []
    if not isinstance(got, dict):
        return [path]
    lacking = [f"{path}.{key}" for key in wanted if key not in got]
    return lacking + [m for key in wanted if key in got for m in missing(wanted[key], got[key], f"{path}.{key}")]


class Commands(harness.Case):
    def test_without_arguments_short_help_and_status_2(self):
        done = self.run_program()
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        for name in NOW + LATER:
            self.assertIn(name, done.stderr)

    def test_an_unknown_command_is_named_with_its_neighbour(self):
        done = self.run_program("colect")
        self.assertEqual(done.returncode, 2)
        self.assertIn("colect", done.stderr)
        self.assertIn("did you mean 'collect'", done.stderr)

    def test_help_of_every_command(self):
        for name in NOW + LATER:
            with self.subTest(name):
                done = self.run_program(name, "--help")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn(f"neuroshield {name}", done.stdout)
        for name in NOW:
            with self.subTest(name):
                text = self.run_program(name, "--help").stdout
                for word in ["--json", "--config", "--data", "--seed", "--quiet", "--help", "--version", "Exit status",
                             "Example"]:
                    self.assertIn(word, text)

    def test_every_command_has_a_man_page_and_words_to_complete(self):
        commands = self.run_program("--help=words").stdout.split()
        self.assertEqual(sorted(commands), sorted(NOW))
        for arguments in [[]] + [[name] for name in commands]:
            source = self.run_program(*arguments, "--help=scdoc")
            self.assertEqual(source.returncode, 0)
            page = subprocess.run(["scdoc"], input=source.stdout, capture_output=True, text=True, check=False)
            self.assertEqual((page.returncode, page.stderr), (0, ""), arguments)
        self.assertIn("--once", self.run_program("collect", "--help=words").stdout.split())

    def test_version(self):
        for argv in [["--version"], *([name, "--version"] for name in NOW)]:
            done = self.run_program(*argv)
            self.assertEqual(done.returncode, 0)
            self.assertRegex(done.stdout, r"^neuroshield \d+\.\d+\.\d+\n$")

    def test_an_unknown_flag_is_wrong_usage(self):
        for name in NOW:
            with self.subTest(name):
                done = self.run_program(name, "--jsn")
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertIn("--jsn", done.stderr)
                self.assertIn("did you mean --json", done.stderr)

    def test_a_flag_without_its_value_is_wrong_usage(self):
        for argv in [["collect", "--interval"], ["collect", "--once=yes"], ["run", "--for", "soon"],
                     ["collect", "--interval", "soon"], ["status", "extra"], ["config"], ["config", "shw"],
                     ["scenario", "check"]]:
            with self.subTest(argv):
                self.assertEqual(self.run_program(*argv).returncode, 2)

    def test_a_command_of_a_later_part_says_so(self):
        for name in LATER:
            with self.subTest(name):
                plain = self.run_program(name, "x", "--some", "thing")
                self.assertEqual((plain.returncode, plain.stdout), (1, ""))
                self.assertIn("comes with a later part of NeuroShield", plain.stderr)
                told = self.run_program(name, "--json")
                self.assertEqual(told.returncode, 1)
                answer = json.loads(told.stdout)
                self.assertEqual(answer["schema"], 1)
                self.assertEqual(answer["error"]["code"], "not_available")
                self.assertTrue(answer["error"]["message"])
                self.assertEqual(set(answer), {"schema", "error"})

    def test_a_failure_with_json_is_one_object(self):
        done = self.run_program("status", "--json", "--data", self.folder / "none")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(json.loads(done.stdout)["error"]["code"], "unreachable")


class Collect(harness.Case):
    def test_nothing_configured_is_wrong_usage(self):
        done = self.run_program("collect", "--once")
        self.assertEqual(done.returncode, 2)
        for word in ["JENKINS_URL", "PROMETHEUS_URL", "--jenkins-url"]:
            self.assertIn(word, done.stderr)

    def rows(self, name="telemetry.csv"):
        with open(self.folder / name, newline="", encoding="utf-8") as file:
            return list(csv.reader(file))

    def test_once_against_the_served_world(self):
        _, url = self.world("--seed", "5")
        flags = ["--jenkins-url", url + "/jenkins", "--prometheus-url", url + "/prometheus",
                 "--jenkins-job", "sock-shop/carts", "--jenkins-username", "me"]
        done = self.run_program("collect", "--once", *flags, env={"JENKINS_TOKEN": "any"})
        rows = self.rows()
        self.assertEqual(rows[0][:8], SEED_COLUMNS)
        self.assertEqual(rows[0][8:13], NEXT_COLUMNS)
        self.assertEqual(len(rows), 2, rows)
        row = dict(zip(rows[0], rows[1]))
        empty = [column for column in SEED_COLUMNS if row[column] == ""]
        self.assertEqual((done.returncode, empty), (0, []), done.stderr)
        self.assertEqual(row["jenkins_job"], "sock-shop/carts")
        self.assertRegex(row["timestamp"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        # It may be called again: one header only.
        self.assertEqual(self.run_program("collect", "--once", *flags, env={"JENKINS_TOKEN": "any"}).returncode, 0)
        self.assertEqual(len(self.rows()), 3)

    def test_once_without_jenkins_leaves_its_columns_empty_and_says_1(self):
        _, url = self.world("--seed", "5")
        done = self.run_program("collect", "--once", "--output", "a.csv", "--json", "--prometheus-url",
                                url + "/prometheus")
        self.assertEqual(done.returncode, 1)
        self.assertIn("jenkins_last_build_status", done.stderr)
        rows = self.rows("a.csv")
        self.assertEqual(rows[1][1:4], ["", "", ""])
        self.assertNotIn("", rows[1][4:8])
        record = json.loads(done.stdout)
        self.assertEqual(record["schema"], 1)
        self.assertIsNone(record["jenkins_last_build_status"])
        self.assertEqual([c for c in rows[0] if c not in record], [])
        self.assertEqual(float(rows[1][4]), record["prometheus_cpu_usage"])

    def test_it_goes_on_until_it_is_told_to_stop(self):
        _, url = self.world("--seed", "5")
        for number in [signal.SIGINT, signal.SIGTERM]:
            running = self.start(harness.PROGRAM, "collect", "--json", "--interval", "0.1", "--prometheus-url",
                                 url + "/prometheus")
            stamps, on_grid = [], 0
            while on_grid < 3 and len(stamps) < 200:  # a tick that a busy machine makes late stands beside the grid
                stamps.append(running.json_line()["timestamp"])
                on_grid += re.search(r"\.\d00Z$", stamps[-1]) is not None
            self.assertEqual(on_grid, 3, stamps)
            self.assertEqual(sorted(set(stamps)), stamps)
            self.assertEqual(running.stop(number), 0, running.stderr)

    def test_a_file_that_is_not_ours_is_left_alone(self):
        (self.folder / "telemetry.csv").write_text("a,b\n1,2\n")
        done = self.run_program("collect", "--once", "--prometheus-url", "http://127.0.0.1:9")
        self.assertEqual(done.returncode, 3)
        self.assertEqual((self.folder / "telemetry.csv").read_text(), "a,b\n1,2\n")

    def test_the_token_is_no_flag(self):
        self.assertEqual(self.run_program("collect", "--jenkins-token", "x").returncode, 2)


class Config(harness.Case):
    def test_show_json(self):
        done = self.run_program("config", "show", "--json")
        answer = json.loads(done.stdout)
        self.assertEqual((done.returncode, answer["schema"]), (0, 1))
        values = answer["values"]
        self.assertNotIn("origins", answer)
        self.assertIsNone(values["jenkins.url"])
        self.assertIsNone(values["prometheus.url"])
        self.assertEqual(values["poll_interval"], 10)
        self.assertEqual(values["collect.output"], "telemetry.csv")
        self.assertEqual(values["log_level"], "INFO")
        self.assertEqual(values["mode"], "observe")
        self.assertEqual(values["listen"], "127.0.0.1:8470")
        self.assertEqual(values["store.retention_days"], 30)
        self.assertEqual(values["store.max_bytes"], 2 << 30)
        for action in ACTIONS:
            self.assertIn(f"actions.{action}.mode", values)
        for signal_name in ["cpu_usage", "memory_usage", "pod_count", "error_rate"]:
            self.assertNotIn("$", values[f"signals.{signal_name}"].replace("$1", ""))

    def test_show_origin_names_every_key(self):
        answer = json.loads(self.run_program("config", "show", "--origin", "--json").stdout)
        self.assertEqual(set(answer["values"]), set(answer["origins"]))

    def test_check(self):
        done = self.run_program("config", "check", "--json")
        self.assertEqual((done.returncode, json.loads(done.stdout)), (0, {"schema": 1, "ok": True, "problems": []}))


class Scenario(harness.Case):
    def test_check(self):
        good = self.run_program("scenario", "check", harness.ROOT / "simulations" / "default.yaml", "--json")
        answer = json.loads(good.stdout)
        self.assertEqual((good.returncode, answer["ok"], answer["problems"], answer["schema"]), (0, True, [], 1))
        (self.folder / "bad.yaml").write_text("version: 1\nname: x\nstep: 30\n")
        bad = self.run_program("scenario", "check", "bad.yaml", "--json")
        answer = json.loads(bad.stdout)
        self.assertEqual((bad.returncode, answer["ok"]), (1, False))
        self.assertIn("bad.yaml:3", answer["problems"][0])
        self.assertEqual(self.run_program("scenario", "check", "none.yaml").returncode, 3)


METRICS = dict.fromkeys(["n", "accuracy", "precision", "recall", "fpr", "auc", "ece", "abstain"])
METRICS["precision_at_base_rate"] = {"0.05": None, "0.20": None}
STREAM = {"threshold": None, "false_alarms": None, "found": dict.fromkeys(["0", "10", "30", "100", "300"]),
          "lead_lines": {"median": None}, "lead_s": {"median": None}}
WITHHELD = {lines: METRICS for lines in ["0", "10", "30", "100", "300"]}
EVALUATION = {
    "schema": None, "corpus": dict.fromkeys(["path", "logs", "projects", "failing", "sha256"]), "model": None,
    "threshold": None, "withheld": WITHHELD, "progress": {part: METRICS for part in ["25", "50", "75", "100"]},
    "streaming": {"own": STREAM, "at_fpr_10": STREAM}, "by_cause": {"test_failure": METRICS},
    "by_ci": {"jenkins": METRICS},
    "baselines": {"keyword": {"withheld": WITHHELD, "streaming": {"own": STREAM, "at_fpr_10": STREAM}},
                  "base_rate": METRICS},
    "leakcheck": dict.fromkeys(["passed", "best_stump", "best_stump_auc", "last_line_auc"]), "elapsed_s": None,
}


class Predictor(harness.Case):
    """train, evaluate predictor and leakcheck on a corpus made here."""

    def make_corpus(self, closing=("", "")):
        folder = self.folder / "corpus"
        folder.mkdir()
        rows = []
        for number in range(40):
            project, failing = f"p{number // 4}", number % 2 == 1
            noise = "".join(f"cc -c part_{chr(97 + part)}.c\n" for part in range(number * 7 % 11))
            text = f"+ make test\n{noise}" + ("FAIL: test_cart (shop.Cart)\nAssertionError: 1 != 2\n" if failing else "")
            (folder / f"{number}.log").write_text(text + "archiving\n" + closing[failing])
            rows.append({"path": f"{number}.log", "group": project, "pair": str(number % 4), "ci": "jenkins",
                         "outcome": "failure" if failing else "success", "split": "test" if number < 8 else "train",
                         "cause": "test_failure" if failing else None, "bytes": len(text)})
        (folder / "index.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return folder

    def test_train_and_evaluate(self):
        corpus = self.make_corpus()
        trained = self.run_program("train", "predictor", "--corpus", corpus, "--init", "scratch", "--out", "model",
                                   "--seed", "3", "--json")
        self.assertEqual(trained.returncode, 0, trained.stderr)
        verified = self.run_program("model", "verify", "model", "--json")
        self.assertEqual((verified.returncode, json.loads(verified.stdout)["problems"]), (0, []))
        self.assertEqual(json.loads(self.run_program("model", "info", "model", "--json").stdout)["sha256"],
                         json.loads(trained.stdout)["sha256"])
        wanted = dict.fromkeys(["schema", "out", "sha256", "steps", "elapsed_s", "throughput_per_s", "metrics"])
        self.assertEqual(missing(wanted, json.loads(trained.stdout)), [])
        measured = self.run_program("evaluate", "predictor", "--corpus", corpus, "--split", "test", "--model", "model",
                                    "--references", "2", "--per-log", "logs.jsonl", "--json")
        self.assertEqual(measured.returncode, 0, measured.stderr)
        answer = json.loads(measured.stdout)
        self.assertEqual(missing(EVALUATION, answer), [])
        self.assertEqual((answer["corpus"]["logs"], answer["withheld"]["0"]["accuracy"]), (8, 1.0))
        self.assertEqual(len((self.folder / "logs.jsonl").read_text().splitlines()), 8)
        folds = self.run_program("evaluate", "predictor", "--corpus", corpus, "--folds", "2", "--json")
        self.assertEqual(missing(EVALUATION, json.loads(folds.stdout)), [])

    def test_without_a_name_the_installed_model_is_measured(self):
        # From the test's own folder: the model is found where it is installed, not below the working directory.
        corpus = self.make_corpus()
        shipped = harness.ROOT / "models" / "predictor"
        done = self.run_program("evaluate", "predictor", "--corpus", corpus, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)["model"]["sha256"],
                         json.loads(self.run_program("model", "info", shipped, "--json").stdout)["sha256"])
        none = self.run_program("evaluate", "predictor", "--corpus", corpus, env={"NEUROSHIELD_MODELS": "/nonexistent"})
        self.assertEqual(none.returncode, 3)
        self.assertIn("--model", none.stderr)

    def test_what_cannot_be_used(self):
        self.assertEqual(self.run_program("evaluate", "predictor").returncode, 2)
        self.assertEqual(self.run_program("evaluate", "predictor", "--corpus", "none", "--folds", "2").returncode, 3)
        self.assertEqual(self.run_program("evaluate", "predictor", "--corpus", self.make_corpus(), "--model",
                                          "none").returncode, 3)
        self.assertEqual(self.run_program("train", "predictor", "--corpus", "none", "--out", "m").returncode, 3)
        self.assertEqual(self.run_program("leakcheck", "--corpus", "none").returncode, 3)

    def test_leakcheck(self):
        for closing, status in [(("", ""), 0), (("overall verdict good\n", "overall verdict bad\n"), 1)]:
            corpus = self.make_corpus(closing)
            index = corpus / "index.jsonl"
            # Failing logs are told by many lines here: every project has its own words for them.
            for number in range(1, 40, 2):
                log = corpus / f"{number}.log"
                words = ["FAIL: test_%s" % chr(97 + number // 4), "%d failed" % number, "error: e%s" % chr(97 + number)]
                noise = "".join(f"cc -c part_{chr(97 + part)}.c\n" for part in range(number * 7 % 11))
                log.write_text(f"+ make test\n{noise}{words[number // 2 % 3]}\narchiving\n" + closing[1])
            rows = [json.loads(line) for line in index.read_text().splitlines()]
            for number, row in enumerate(rows):
                row["bytes"] = 100 + number * 37 % 40
            index.write_text("".join(json.dumps(row) + "\n" for row in rows))
            answer = self.run_program("leakcheck", "--corpus", corpus, "--json")
            said = json.loads(answer.stdout)
            self.assertEqual((answer.returncode, said["ok"], said["problems"]), (status, status == 0, said["problems"]), said)
            for path in corpus.iterdir():
                path.unlink()
            corpus.rmdir()


class World(harness.Case):
    def test_the_first_line(self):
        process = self.start(harness.PROGRAM, "world", "--listen", "127.0.0.1:0", "--json", "--seed", "4",
                             "--write-config", "cfg")
        hello = process.json_line()
        self.assertEqual((hello["schema"], hello["event"]), (1, "listening"))
        self.assertRegex(hello["address"], r"^127\.0\.0\.1:\d+$")
        for name in [".env", "kubeconfig", "neuroshield.yaml"]:
            self.assertTrue((self.folder / "cfg" / name).exists(), name)
        url = "http://" + hello["address"]
        for key in ["seq", "at", "kind", "target", "key", "from"]:
            for effect in harness.get_json(url + "/world/v1/effects").get("items", []):
                self.assertIn(key, effect)
        self.assertEqual(harness.get_json(url + "/world/v1/state")["schema"], 1)
        self.assertEqual(process.stop(), 0)


class Run(harness.Case):
    def test_listening_line_status_and_summary(self):
        process = self.start(harness.PROGRAM, "run", "--world", "--listen", "127.0.0.1:0", "--json", "--seed", "9",
                             "--speed", "600", "--data", "data", "--summary", "summary.json")
        hello = process.json_line()
        self.assertEqual((hello["schema"], hello["event"]), (1, "listening"))
        self.assertRegex(hello["address"], r"^127\.0\.0\.1:\d+$")

        def scored():
            done = self.run_program("status", "--json", "--data", "data")
            answer = json.loads(done.stdout)
            if done.returncode != 0:
                return None
            known = any(p["build"] is not None for p in answer["pipelines"])
            return answer if known else None

        answer = harness.wait_for(scored, 30, "a pipeline with a build")
        self.assertEqual(missing(STATUS, answer), [])
        self.assertIn(answer["acting"], ["observe", "suggest", "approve", "auto", "stopped"])
        for source in answer["sources"]:
            self.assertIn(source["state"], ["ok", "stale", "down", "unauthorized", "starting", "not_configured"])
        table = self.run_program("status", "--data", "data")
        self.assertEqual(table.returncode, 0)
        self.assertIn("PIPELINE", table.stdout)
        second = self.run_program("run", "--world", "--listen", "127.0.0.1:0", "--data", "data", "--for", "1")
        self.assertEqual(second.returncode, 4, second.stderr)  # another daemon holds the lock
        self.assertEqual(process.stop(signal.SIGINT), 0, process.stderr)
        summary = json.loads((self.folder / "summary.json").read_text())
        self.assertEqual(missing(SUMMARY, summary), [])
        self.assertEqual((summary["schema"], summary["mode"], summary["seed"], summary["ended_by"]),
                         (1, "world", 9, "signal"))
        for action, counts in summary["actions"].items():
            self.assertIn(action, ACTIONS)
            self.assertEqual(set(counts), {"decided", "sent", "verified"})
        for action in ["no_op", "retry_build", "escalate"]:
            self.assertIn(action, summary["actions"])
        for name, counts in summary["incidents"]["by_cause"].items():
            self.assertTrue(re.fullmatch(r"[a-z_]+", name))
            self.assertLessEqual({"n", "healed_by_action"}, set(counts))
        after = self.run_program("status", "--data", "data")
        self.assertEqual(after.returncode, 1)
        self.assertIn("neuroshield run", after.stderr)

    def test_a_bad_model_is_told_and_the_keyword_rule_answers(self):
        def state(*flags):
            process = self.start(harness.PROGRAM, "run", "--world", "--listen", "127.0.0.1:0", "--json", "--data", "data",
                                 env={"NEUROSHIELD_MODELS": str(self.folder / "none"), **dict(flags)})
            process.json_line()
            answer = json.loads(self.run_program("status", "--json", "--data", "data").stdout)
            self.assertEqual(process.stop(), 0, process.stderr)
            return answer["predictor"], process.stderr

        (self.folder / "model").mkdir()
        (self.folder / "model" / "judge.json").write_text("{")
        predictor, told = state(("NEUROSHIELD_MODEL", str(self.folder / "model")))
        self.assertEqual((predictor["name"], predictor["state"], predictor["sha256"]), ("keyword", "fallback", None))
        self.assertEqual(str(told).count("event=predictor_fallback"), 1, told)
        predictor, told = state()
        self.assertEqual((predictor["name"], predictor["state"]), ("keyword", "ready"))

    def test_it_ends_by_itself(self):
        done = self.run_program("run", "--world", "--listen", "127.0.0.1:0", "--for", "1", "--speed", "600", "--data",
                                "data", "--summary", "summary.json", "--quiet")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads((self.folder / "summary.json").read_text())["ended_by"], "time")


if __name__ == "__main__":
    unittest.main()
