"""model info and verify: a whole folder is right, and each kind of damage is told."""
import hashlib
import json
import shutil
import struct
import unittest

from integration import harness

ENCODER = harness.ROOT / "tests" / "golden" / "encoder" / "distilbert"


class Model(harness.Case):
    def setUp(self):
        super().setUp()
        self.model = self.folder / "model"
        self.model.mkdir()
        for name in ["config.json", "model.safetensors"]:
            shutil.copy(ENCODER / name, self.model / name)
        size = json.loads((ENCODER / "config.json").read_text())["vocab_size"]
        pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + [f"p{i}" for i in range(size - 5)]
        (self.model / "vocab.txt").write_text("\n".join(pieces) + "\n")
        self.write_card()

    def write_card(self):
        files = {p.name: {"sha256": hashlib.sha256(p.read_bytes()).hexdigest(), "bytes": p.stat().st_size}
                 for p in self.model.iterdir() if p.name != "card.json"}
        (self.model / "card.json").write_text(json.dumps({"schema": 1, "name": "small", "files": files}))

    def verify(self, status):
        done = self.run_program("model", "verify", "model", "--json")
        answer = json.loads(done.stdout)
        self.assertEqual((done.returncode, answer["schema"], answer["ok"]), (status, 1, status == 0), answer)
        return answer["problems"]

    def test_a_whole_folder_is_right(self):
        self.assertEqual(self.verify(0), [])
        done = self.run_program("model", "info", "model", "--json")
        answer = json.loads(done.stdout)
        self.assertEqual((done.returncode, answer["schema"], answer["name"]), (0, 1, "small"))
        self.assertEqual(set(answer), {"schema", "folder", "name", "sha256", "files", "encoder", "vocabulary", "card"})
        self.assertRegex(answer["sha256"], "^[0-9a-f]{64}$")
        self.assertEqual(answer["files"], answer["card"]["files"])
        self.assertEqual(answer["vocabulary"]["pieces"], answer["encoder"]["vocabulary"])
        self.assertIn("small", self.run_program("model", "info", "model").stdout)

    def test_the_hash_is_that_of_the_files(self):
        first = json.loads(self.run_program("model", "info", "model", "--json").stdout)["sha256"]
        (self.model / "README.md").write_text("about it")
        second = json.loads(self.run_program("model", "info", "model", "--json").stdout)["sha256"]
        (self.model / "vocab.txt").write_text((self.model / "vocab.txt").read_text() + "\n")
        third = json.loads(self.run_program("model", "info", "model", "--json").stdout)["sha256"]
        self.assertEqual(first, second)
        self.assertNotEqual(first, third)

    def test_every_kind_of_damage_is_told(self):
        def weights(change):
            def damage():
                path = self.model / "model.safetensors"
                path.write_bytes(change(bytearray(path.read_bytes())))
                self.write_card()
            return damage

        def nan(data):
            data[-4:] = struct.pack("<f", float("nan"))
            return data

        def swap(name, old, new):
            def damage():
                path = self.model / name
                path.write_text(path.read_text().replace(old, new))
                self.write_card()
            return damage

        cases = [
            ("model.safetensors", weights(lambda data: data[:-100])),
            ("model.safetensors", weights(lambda data: data + b"more")),
            ("model.safetensors", weights(lambda data: b"\xff" * 8 + data[8:])),
            ("finite", weights(nan)),
            ("config.json", swap("config.json", '"dim"', '"dimm"')),
            ("vocab.txt", swap("vocab.txt", "p3\n", "p4\n")),
            ("[CLS]", swap("vocab.txt", "[CLS]", "[X]")),
            ("[UNK]", swap("vocab.txt", "[UNK]", "[X]")),
            ("knows", swap("vocab.txt", "p3\n", "p3\nmore\n")),
            ("without an encoder", lambda: [(self.model / n).unlink() for n in ["config.json", "model.safetensors"]]),
            ("card.json", lambda: (self.model / "card.json").unlink()),
            ("card.json", lambda: (self.model / "card.json").write_text("{")),
            ("does not name it", lambda: (self.model / "more.bin").write_text("x")),
            ("no such file", lambda: (self.model / "vocab.txt").unlink()),
            ("not the file", lambda: (self.model / "vocab.txt").write_text(
                (self.model / "vocab.txt").read_text().replace("p3", "q3"))),
            ("is not a file", lambda: (self.model / "folder").mkdir()),
        ]
        kept = self.folder / "kept"
        shutil.copytree(self.model, kept)
        for word, damage in cases:
            with self.subTest(word):
                shutil.rmtree(self.model)
                shutil.copytree(kept, self.model)
                damage()
                problems = self.verify(1)
                self.assertTrue(any(word in p for p in problems), (word, problems))

    def test_what_cannot_be_read_is_status_3(self):
        for what in ["info", "verify"]:
            self.assertEqual(self.run_program("model", what, "nowhere").returncode, 3)
        (self.folder / "empty").mkdir()
        self.assertEqual(self.run_program("model", "info", "empty").returncode, 3)
        self.assertEqual(self.run_program("model", "verify", "empty").returncode, 1)
        self.assertEqual(self.run_program("model", "look", "model").returncode, 2)

    def test_predict_refuses_a_bad_model(self):
        (self.folder / "a.log").write_text("ok\n")
        done = self.run_program("predict", "--model", "model", "a.log", "--json")
        self.assertEqual(done.returncode, 3)
        self.assertIn("judge.json", done.stderr)


if __name__ == "__main__":
    unittest.main()
