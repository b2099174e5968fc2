"""train predictor: the object of the contract, going on after an interruption, what cannot be used."""
import json
import signal
import subprocess
import unittest

from integration import harness

KEYS = {"schema", "out", "sha256", "steps", "elapsed_s", "throughput_per_s", "metrics"}
GREEN = "+ make test\ncc -c cart.c\ncc -c {name}.c\nrunning 12 tests\n--- PASS: TestCart\nall 12 tests passed in 3s\n"
RED = "+ make test\ncc -c cart.c\ncc -c {name}.c\nrunning 12 tests\n--- FAIL: Test{name}\n  {name}_test.go:20: got status 500, want 200\n"
SMALL = ["--layers", "1", "--channels", "64", "--vocabulary", "300", "--masked-steps", "4", "--line-steps", "4",
         "--threads", "1", "--seed", "3", "--encoder-only"]


class Train(harness.Case):
    def corpus(self):
        """Twelve projects with a green and a failing build each."""
        folder = self.folder / "corpus"
        folder.mkdir()
        lines = []
        for project in range(12):
            for outcome, text in [("success", GREEN), ("failure", RED)]:
                name = f"{project}.{outcome}.log"
                (folder / name).write_text(text.format(name=f"part{project}"))
                lines.append({"path": name, "outcome": outcome, "group": f"shop/{project}", "family": "recorded",
                              "pair": str(project), "cause": "test_failure" if outcome == "failure" else None,
                              "ci": "jenkins", "tool": "go", "bytes": len(text), "lines": 6, "split": "train"})
        (folder / "index.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return folder

    def train(self, corpus, out, *more):
        return self.run_program("train", "predictor", "--json", "--quiet", "--corpus", corpus, "--init", "scratch",
                                "--out", out, *SMALL, *more)

    def test_the_object_of_the_contract(self):
        corpus, out = self.corpus(), self.folder / "model"
        done = self.train(corpus, out)
        self.assertEqual(done.returncode, 0, done.stderr)
        told = json.loads(done.stdout)
        self.assertEqual(set(told), KEYS)
        self.assertEqual((told["schema"], told["out"], told["steps"]), (1, str(out), 8))
        self.assertEqual(len(told["sha256"]), 64)
        self.assertGreater(told["throughput_per_s"], 0)
        for name in ["config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json", "training.jsonl",
                     "training.svg"]:
            self.assertTrue((out / name).is_file(), name)
        self.assertEqual(sorted(path.name for path in out.glob("*.checkpoint")), [])
        again = self.train(corpus, self.folder / "again")
        self.assertEqual(json.loads(again.stdout)["sha256"], told["sha256"])
        further = self.run_program("train", "predictor", "--json", "--quiet", "--corpus", corpus, "--init", out, "--out",
                                   self.folder / "further", *SMALL)
        self.assertEqual(further.returncode, 0, further.stderr)

    def test_interrupted_and_gone_on_with(self):
        corpus, out = self.corpus(), self.folder / "model"
        whole = json.loads(self.train(corpus, self.folder / "whole", "--masked-steps", "60").stdout)
        running = subprocess.Popen([harness.PROGRAM, "train", "predictor", "--json", "--corpus", corpus, "--init",
                                    "scratch", "--out", out, *SMALL, "--masked-steps", "60"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        for line in running.stderr:  # its first step is told at once
            if line.startswith("masked-language"):
                break
        running.send_signal(signal.SIGTERM)
        rest = running.communicate(timeout=60)[1]
        if running.returncode != 0:  # it may have been quicker than the signal
            self.assertEqual(running.returncode, 1, rest)
            self.assertIn("goes on from there", rest)
            self.assertTrue(list(out.glob("*.checkpoint")))
        done = self.train(corpus, out, "--masked-steps", "60")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)["sha256"], whole["sha256"])

    def test_a_damaged_checkpoint_is_told(self):
        corpus, out = self.corpus(), self.folder / "model"
        self.assertEqual(self.train(corpus, out, "--keep-checkpoints").returncode, 0)
        checkpoint = out / "masked-language.checkpoint"
        content = bytearray(checkpoint.read_bytes())
        content[len(content) // 2] ^= 1
        checkpoint.write_bytes(content)
        done = self.train(corpus, out)
        self.assertEqual(done.returncode, 3)
        self.assertIn("remove it", done.stderr)

    def test_what_cannot_be_used(self):
        corpus, out = self.corpus(), self.folder / "model"
        given = ["train", "predictor", "--corpus", corpus]
        cases = [
            (given, 2, "--out"),
            ([*given, "--out", out, "--encoder", "--channels", "100"], 2, "64"),
            ([*given, "--out", out, "--encoder", "--precision", "f8"], 2, "f8"),
            ([*given, "--out", out, "--init", self.folder], 2, "--encoder"),
            ([*given, "--out", out, "--encoder-only", "--init", self.folder / "none"], 3, "none"),
            (["train", "predictor", "--corpus", self.folder / "none", "--out", out], 3, "none"),
            (["train", "policy"], 1, "later part"),
            (["train", "nothing"], 2, "predictor"),
        ]
        for argv, status, word in cases:
            done = self.run_program(*argv)
            self.assertEqual(done.returncode, status, f"{argv}: {done.stderr}")
            self.assertIn(word, done.stderr)


if __name__ == "__main__":
    unittest.main()
