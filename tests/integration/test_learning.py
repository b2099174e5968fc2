"""Learning from use: a run on the built-in world, a person's word on a build, and a model trained on that store."""
import contextlib
import json
import shutil
import sqlite3
import unittest
import urllib.error
import urllib.parse
import urllib.request

import harness
from harness import get_json, wait_for

TOKEN = "learning-test-token"


class Learning(harness.Case):
    def say(self, build, body, token=TOKEN):
        """The answer's status and object."""
        request = urllib.request.Request(f"{self.api}/api/v1/builds/{urllib.parse.quote(build, safe='')}/verdict",
                                         data=body if isinstance(body, bytes) else json.dumps(body).encode(),
                                         headers={"Authorization": f"Bearer {token}"}, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def failed_builds(self):
        return [b for b in get_json(f"{self.api}/api/v1/builds?limit=1000")["items"] if b["result"] == "FAILURE"]

    def story(self, build):
        return get_json(f"{self.api}/api/v1/builds/{urllib.parse.quote(build, safe='')}")

    def unknown_words(self):
        signals = get_json(f"{self.api}/api/v1/status")["drift"]["signals"]
        return next(s for s in signals if s["name"] == "unknown_words")

    def found_early(self):
        """A failing build that was alarmed while it ran and scored to its end; None yet."""
        for build in self.failed_builds():
            story = self.story(build["id"])
            if story["alarm"] and story["alarm"]["lead_s"] and story["predictions"][-1]["evidence"]:
                return story
        return None

    def train(self, data, out):
        done = self.run_program("train", "predictor", "--json", "--quiet", "--corpus", data, "--out", out, "--seed", "1",
                                limit_s=600)
        self.assertEqual(done.returncode, 0, done.stderr[-2000:])
        return json.loads(done.stdout)

    def test_a_run_its_verdicts_and_the_model_that_comes_of_them(self):
        process, self.api, _ = self.daemon("--world", "--speed", "240", "--seed", "11", "--data", self.folder / "data",
                                           "--quiet", env={**harness.CLEAN_ENV, "NEUROSHIELD_API_TOKEN": TOKEN})
        wait_for(lambda: len(self.failed_builds()) >= 20 and self.found_early(), 240, "failing builds, one found early")
        story = self.found_early()
        build, line = story["build"]["id"], story["predictions"][-1]["evidence"][0]["line"]
        curve = [p["failure_probability"] for p in story["predictions"]]
        self.assertGreater(max(curve), min(curve))
        self.assertEqual(story["verdicts"], [])

        for body in (b"{", b"[]", {}, {"cause": "gremlins"}, {"cause": 7}, {"line": 3}, {"line": 0, "telling": True},
                     {"line": 1.5, "telling": True}, {"telling": False}, {"line": 10**7, "telling": True}):
            self.assertEqual(self.say(build, body)[0], 400, body)
        self.assertEqual(self.say(build, {"cause": "none"}, token="wrong")[0], 401)
        self.assertEqual(self.say("sock-shop/carts#999999", {"cause": "none"})[0], 404)
        self.assertEqual(self.say("sock-shop", {"cause": "none"})[0], 404)
        status, row = self.say(build, {"cause": "disk_full", "line": line, "telling": False})
        self.assertEqual((status, row["cause"], row["line"], row["telling"]), (200, "disk_full", line, False))
        wait_for(lambda: len(self.story(build)["verdicts"]) == 1, 30, "the verdict in the store")
        audit = [a for a in get_json(f"{self.api}/api/v1/audit?limit=1000")["items"] if a["what"] == "build_judged"]
        self.assertEqual([(a["actor"], a["object"]) for a in audit], [("operator", build)])
        status = get_json(f"{self.api}/api/v1/status")["early_warning"]
        self.assertGreaterEqual(status["found"], 1)
        self.assertGreater(status["lead_s"], 0)
        process.stop()

        learnt = self.train(self.folder / "data", self.folder / "model")
        self.assertGreaterEqual(learnt["metrics"]["failing"], 20)
        self.assertLessEqual(learnt["metrics"]["projects"], 8)
        (self.folder / "a.log").write_text("+ make\ncc -c main.c\nmain.c:3:1: error: expected ';'\n")
        said = self.run_program("predict", "--json", "--model", self.folder / "model", self.folder / "a.log")
        self.assertEqual(said.returncode, 0, said.stderr)
        # Without the person's word something else is learnt; the same store gives the same model.
        shutil.copytree(self.folder / "data", self.folder / "forgotten")
        with contextlib.closing(sqlite3.connect(self.folder / "forgotten" / "neuroshield.db")) as db, db:
            db.execute("DELETE FROM labels")
        without = self.train(self.folder / "forgotten", self.folder / "other")
        self.assertNotEqual(without["metrics"]["corpus_sha256"], learnt["metrics"]["corpus_sha256"])
        self.assertNotEqual((self.folder / "other" / "lines.bin").read_bytes(),
                            (self.folder / "model" / "lines.bin").read_bytes())

        # It knows which words it learnt from: the drift alarms of a daemon that runs it say how many it did not.
        process, self.api, _ = self.daemon("--world", "--speed", "240", "--seed", "12", "--data", self.folder / "second",
                                           "--quiet", env={**harness.CLEAN_ENV, "NEUROSHIELD_MODEL": str(self.folder / "model")})
        wait_for(lambda: self.unknown_words()["value"] is not None, 240, "enough builds to tell unknown words")
        self.assertLess(self.unknown_words()["value"], 0.45)
        self.assertFalse(self.unknown_words()["on"])
        self.assertIn('neuroshield_drift{signal="unknown_words"} 0', harness.get(self.api + "/metrics")[2].decode())


if __name__ == "__main__":
    unittest.main()
