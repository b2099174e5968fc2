"""train predictor: the object of the contract, going on after an interruption, what cannot be used."""
import hashlib
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

    def test_a_folder_with_an_encoder_is_used_on_every_code_path(self):
        corpus, out = self.corpus(), self.folder / "model"
        flags = [flag for flag in SMALL if flag != "--encoder-only"]
        done = self.run_program("train", "predictor", "--json", "--quiet", "--corpus", corpus, "--out", out, "--encoder",
                                *flags, "--line-steps", "60", "--held-out", "20")
        self.assertEqual(done.returncode, 0, done.stderr)
        told = json.loads(done.stdout)
        self.assertGreater(told["metrics"]["other_half_1_windows"], 0)
        self.assertEqual(sorted(path.name for path in out.glob(".*")), [])
        info = json.loads(self.run_program("model", "info", "--json", out).stdout)
        self.assertEqual((info["encoder"]["layers"], info["sha256"]), (1, told["sha256"]))
        self.assertEqual(self.run_program("model", "verify", out).returncode, 0)
        judge = (out / "judge.json").read_bytes()
        (out / "judge.json").write_text(json.dumps({**json.loads(judge), "encoder": None}))
        told_off = self.run_program("model", "verify", out)
        self.assertEqual(told_off.returncode, 1)
        self.assertIn("judge.json", told_off.stderr)
        (out / "judge.json").write_text(json.dumps({k: v for k, v in json.loads(judge).items() if k != "encoder"}))
        card = (out / "card.json").read_bytes()
        files = json.loads(card)
        files["files"]["judge.json"] = {"sha256": hashlib.sha256((out / "judge.json").read_bytes()).hexdigest(),
                                        "bytes": (out / "judge.json").stat().st_size}
        (out / "card.json").write_text(json.dumps(files))
        self.assertIn("never asked", self.run_program("model", "verify", out).stderr)
        (out / "card.json").write_bytes(card)
        (out / "judge.json").write_bytes(judge)
        log = self.folder / "new.log"
        log.write_text(RED.format(name="parcel") + "make: *** [test] Error 1\n")
        answers = {}
        for path in ["portable_fp32", "avx2_fp32", "avx512_fp32", "avx512_int8", "amx_bf16", "amx_int8"]:
            done = self.run_program("predict", "--json", "--model", out, "--code-path", path, log)
            if done.returncode == 2:  # this machine has none; the message says what it lacks
                self.assertIn(path, done.stderr)
                continue
            self.assertEqual(done.returncode, 0, done.stderr)
            answer = json.loads(done.stdout)
            self.assertEqual((answer["model"]["code_path"], answer["model"]["name"]), (path, "judge+encoder"))
            self.assertEqual(answer["model"]["sha256"], told["sha256"])
            answers[path] = answer["failure_probability"]
        for path, probability in answers.items():
            bound = 1e-4 if path.endswith("fp32") else 0.05
            self.assertAlmostEqual(probability, answers["portable_fp32"], delta=bound, msg=path)
        measured = self.run_program("evaluate", "predictor", "--corpus", corpus, "--model", out, "--json", "--quiet")
        self.assertEqual(measured.returncode, 0, measured.stderr)
        self.assertEqual(set(json.loads(measured.stdout)["baselines"]), {"keyword", "without_encoder", "base_rate"})
        for name in ["model.safetensors", "vocab.txt", "config.json"]:
            whole = (out / name).read_bytes()
            for damaged in [None, b"", whole[:len(whole) // 2]]:
                (out / name).unlink() if damaged is None else (out / name).write_bytes(damaged)
                done = self.run_program("predict", "--json", "--model", out, log)
                self.assertEqual(done.returncode, 3, f"{name}: {done.stderr}")
                self.assertIn(str(out), done.stderr)
            (out / name).write_bytes(whole)

    def test_interrupted_while_a_half_learns(self):
        corpus, out = self.corpus(), self.folder / "model"
        flags = [flag for flag in SMALL if flag != "--encoder-only"] + ["--encoder", "--masked-steps", "0"]
        flags += ["--line-steps", "80", "--held-out", "20"]
        command = ["train", "predictor", "--json", "--corpus", corpus, "--out"]
        whole = json.loads(self.run_program(*command, self.folder / "whole", "--quiet", *flags).stdout)
        running = subprocess.Popen([harness.PROGRAM, *map(str, [*command, out, *flags])], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        for line in running.stderr:
            if line.startswith("lines"):
                break
        running.send_signal(signal.SIGTERM)
        rest = running.communicate(timeout=60)[1]
        if running.returncode != 0:  # it may have been quicker than the signal
            self.assertEqual(running.returncode, 1, rest)
            self.assertIn("goes on from there", rest)
        done = self.run_program(*command, out, "--quiet", *flags)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)["sha256"], whole["sha256"])

    def test_folds_with_and_without_an_encoder(self):
        flags = [flag for flag in SMALL if flag != "--encoder-only"]
        done = self.run_program("evaluate", "predictor", "--corpus", self.corpus(), "--folds", "2", "--encoder", "--json",
                                "--quiet", *flags, env={"TMPDIR": str(self.folder)})
        self.assertEqual(done.returncode, 0, done.stderr)
        told = json.loads(done.stdout)
        self.assertEqual(told["corpus"]["logs"], 24)
        self.assertIn("auc", told["baselines"]["without_encoder"]["withheld"]["0"])
        self.assertEqual(list(self.folder.glob("neuroshield-folds-*")), [])

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
            ([*given, "--out", out, "--encoder", "--line-steps", "0"], 2, "--encoder-only"),
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
