"""predict: the object of the contract, files of every kind, batches whose answers depend on nothing but bytes."""
import gzip
import json
import os
import random
import shutil
import subprocess
import unittest

from integration import harness

CODE_PATHS = ["amx_int8", "amx_bf16", "avx512_int8", "avx512_fp32", "avx2_fp32", "portable_fp32", "keyword"]
CAUSES = {"none", "compile_error", "test_failure", "flaky_test", "dependency", "registry_outage", "out_of_memory",
          "disk_full", "timeout", "agent_lost", "config", "bad_release", "overload"}
MODEL = harness.ROOT / "models" / "predictor"
KEYS = {"schema", "id", "failure_probability", "decision", "threshold", "cause", "causes", "lines", "windows",
        "references", "evidence", "model", "elapsed_ms"}
GREEN = "+ make test\ncc -c cart.c\n--- FAIL: TestFlaky (0.01s)\nall 12 tests passed\nFinished: SUCCESS\n"
RED = "+ make test\ncc -c cart.c\n--- FAIL: TestCart (0.02s)\n    cart_test.go:20: got status 500, want 200\n"


def numbers(answer):
    """What has to be the same to the last bit, whoever asks."""
    return {key: value for key, value in answer.items() if key not in ("id", "elapsed_ms")}


class Predict(harness.Case):
    def write(self, name, text):
        (self.folder / name).write_text(text)
        return self.folder / name

    def predict(self, *argv, **more):
        done = self.run_program("predict", "--json", "--code-path", "keyword", *argv, **more)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def batch(self, requests, *flags, by=("--code-path", "keyword")):
        text = "".join(json.dumps(request) + "\n" for request in requests)
        done = self.run_program("predict", "--batch", "-", *by, *flags, stdin=text)
        return done, [json.loads(line) for line in done.stdout.splitlines()]

    def test_the_object_of_the_contract(self):
        answer = self.predict(self.write("red.log", RED))
        self.assertEqual(set(answer), KEYS)
        self.assertEqual((answer["schema"], answer["decision"], answer["cause"]), (1, "failure", "test_failure"))
        self.assertEqual(set(answer["causes"]), CAUSES)
        self.assertAlmostEqual(sum(answer["causes"].values()), 1.0)
        self.assertEqual((answer["lines"], answer["references"]), (4, 0))
        self.assertEqual(set(answer["model"]), {"name", "sha256", "code_path", "fallback"})
        self.assertEqual((answer["model"]["code_path"], answer["model"]["fallback"]), ("keyword", False))
        self.assertEqual(set(answer["evidence"][0]), {"line", "text", "weight", "new"})
        self.assertEqual(answer["evidence"][0]["line"], 3)
        calm = self.predict(self.write("calm.log", "+ make\nok\n"))
        self.assertEqual((calm["decision"], calm["cause"], calm["evidence"]), ("success", None, []))

    def test_the_outcome_itself_is_not_read(self):
        calm = numbers(self.predict(self.write("calm.log", "+ make\nok\n")))
        for ending in ["Finished: FAILURE\n--- FAIL: TestCart\n", "BUILD FAILURE\n", "make: *** [all] Error 2\n",
                       "ERROR: script returned exit code 1\n"]:
            told = numbers(self.predict(self.write("told.log", "+ make\nok\n" + ending)))
            self.assertEqual(told["failure_probability"], calm["failure_probability"], ending)

    def test_references_are_read(self):
        log = self.write("b.log", GREEN.replace("Finished: SUCCESS\n", ""))
        alone = self.predict(log)
        compared = self.predict("--reference", self.write("g.log", GREEN), log)
        self.assertEqual((alone["decision"], compared["decision"], compared["references"]), ("failure", "success", 1))

    def test_files_of_every_kind_and_standard_input(self):
        plain = numbers(self.predict(self.write("red.log", RED)))
        (self.folder / "packed").write_bytes(gzip.compress(RED.encode()))
        self.assertEqual(numbers(self.predict("packed")), plain)
        self.assertEqual(numbers(self.predict("-", stdin=RED)), plain)
        if shutil.which("zstd"):
            subprocess.run(["zstd", "-q", "-o", "red.zst", "red.log"], cwd=self.folder, check=True)
            self.assertEqual(numbers(self.predict("red.zst")), plain)
        self.assertEqual(self.predict(self.write("empty.log", ""))["lines"], 0)

    def test_text_for_people(self):
        done = self.run_program("predict", "--explain", "--code-path", "keyword", self.write("red.log", RED))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"^failure: probability of failure 0\.\d{3}")
        self.assertIn("--- FAIL: TestCart", done.stdout)

    def test_secrets_do_not_come_out(self):
        answer = self.predict(self.write("red.log", "error: failed: curl --token s3cr3t-v4lu3 FAILED\nFAILED x\n"))
        self.assertNotIn("s3cr3t-v4lu3", json.dumps(answer))
        self.assertIn("[redacted]", json.dumps(answer))

    def test_bad_input_is_told(self):
        (self.folder / "broken.gz").write_bytes(gzip.compress(RED.encode())[:-9])
        red = self.write("red.log", RED)
        for status, word, argv in [(3, "none.log", ["none.log"]), (3, "broken.gz", ["broken.gz"]),
                                   (3, "none.log", ["--reference", "none.log", red]), (3, "nowhere", ["--model", "nowhere", red]),
                                   (2, "nothing", ["--code-path", "nothing", red]), (2, "FILE", []), (2, "batch", ["--batch", red]),
                                   (2, "threads", ["--threads", "0", red])]:
            with self.subTest(argv):
                done = self.run_program("predict", *argv)
                self.assertEqual((done.returncode, done.stdout), (status, ""), done.stderr)
                self.assertIn(word, done.stderr)

    def requests(self):
        """Prefixes of a log, with and without references, hard-linked under names that say nothing."""
        lines = (RED * 3 + GREEN).splitlines(keepends=True)
        green = self.write("green", GREEN)
        out = []
        for n in range(len(lines)):
            self.write(f"log{n}", "".join(lines[:n]))
            for k in range(2):
                os.link(green, self.folder / f"ref{n}.{k}")
                out.append({"id": f"{n}.{k}", "log": str(self.folder / f"log{n}"),
                            "references": [str(self.folder / f"ref{n}.{i}") for i in range(k)]})
        return out

    def test_a_batch_depends_on_bytes_alone(self):
        self.batch_depends_on_bytes_alone("--code-path", "keyword")

    @unittest.skipUnless((MODEL / "judge.json").exists(), "no model is shipped")
    def test_a_batch_by_the_model_depends_on_bytes_alone(self):
        self.batch_depends_on_bytes_alone("--model", str(MODEL))

    def batch_depends_on_bytes_alone(self, *by):
        requests = self.requests()
        done, answers = self.batch(requests, by=by)
        self.assertEqual((done.returncode, len(answers)), (0, len(requests)), done.stderr)
        whole = {a["id"]: numbers(a) for a in answers}
        shuffled = requests[:]
        random.Random(1).shuffle(shuffled)
        for i, request in enumerate(shuffled):  # other ids, other names, other neighbours
            os.link(request["log"], self.folder / f"other{i}")
            shuffled[i] = dict(request, log=str(self.folder / f"other{i}"), id=["x", request["id"]])
        done, answers = self.batch(shuffled, "--threads", "3", by=by)
        self.assertEqual((done.returncode, len(answers)), (0, len(requests)), done.stderr)
        for answer in answers:
            self.assertEqual(numbers(answer), whole[answer["id"][1]])
        for request in requests[::7]:  # one at a time
            flags = [flag for reference in request["references"] for flag in ("--reference", reference)]
            alone = self.run_program("predict", "--json", *by, *flags, request["log"])
            self.assertEqual(numbers(json.loads(alone.stdout)), whole[request["id"]])

    def test_what_cannot_be_answered_is_told_and_the_rest_answered(self):
        red = str(self.write("red.log", RED))
        good = {"id": 1, "log": red}
        bad = [{"id": 2, "log": "none"}, {"id": 3}, {"id": 4, "log": red, "references": ["none"]},
               {"id": 5, "log": red, "references": "x"}, {"id": 6, "log": "-"}, [7]]
        done, answers = self.batch([good, *bad, good])
        self.assertEqual(done.returncode, 1)
        told = [a for a in answers if "error" in a]
        self.assertEqual(len(answers), len(bad) + 2)
        self.assertEqual(sorted(str(a["id"]) for a in told), ["2", "3", "4", "5", "6", "None"])
        self.assertTrue(all(a["error"] for a in told))
        done = self.run_program("predict", "--batch", "-", "--code-path", "keyword", stdin="no json\n\n")
        self.assertEqual((done.returncode, json.loads(done.stdout)["id"]), (1, None))
        done, answers = self.batch([])
        self.assertEqual((done.returncode, answers), (0, []))

    def test_an_answer_comes_before_the_next_request(self):
        red = str(self.write("red.log", RED))
        with subprocess.Popen([harness.PROGRAM, "predict", "--batch", "-", "--code-path", "keyword"], text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=self.folder) as process:
            for i in range(3):
                process.stdin.write(json.dumps({"id": i, "log": red}) + "\n")
                process.stdin.flush()
                self.assertEqual(json.loads(process.stdout.readline())["id"], i)
            process.stdin.close()
            self.assertEqual(process.wait(30), 0)


if __name__ == "__main__":
    unittest.main()
