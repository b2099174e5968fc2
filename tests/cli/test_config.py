"""Where values come from: precedence, origins, files, and faults named with file and line."""
import itertools
import json
import unittest

from integration import harness

SOURCES = ["yaml", "dotenv", "environment", "flag"]  # weakest first


class Config(harness.Case):
    def write(self, name, text):
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text)

    def show(self, *argv, env=None):
        done = self.run_program("config", "show", "--origin", "--json", *argv, env=env)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def refused(self, *argv, env=None):
        done = self.run_program("config", "check", *argv, env=env)
        self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        return done.stderr

    def test_every_combination_of_sources(self):
        """`data` can be given in all five ways; the strongest present one must win and be named."""
        for present in itertools.product([False, True], repeat=4):
            given = [name for name, there in zip(SOURCES, present) if there]
            with self.subTest(given=given):
                for name in ["neuroshield.yaml", ".env"]:
                    (self.folder / name).unlink(missing_ok=True)
                if "yaml" in given:
                    self.write("neuroshield.yaml", "mode: observe\n\ndata: /from/yaml\n")
                if "dotenv" in given:
                    self.write(".env", "# shared\nOTHER=1\nNEUROSHIELD_DATA=/from/dotenv\n")
                env = {"NEUROSHIELD_DATA": "/from/environment"} if "environment" in given else {}
                argv = ["--data", "/from/flag"] if "flag" in given else []
                answer = self.show(*argv, env=env)
                strongest = given[-1] if given else None
                origin = {"yaml": "./neuroshield.yaml:3", "dotenv": "./.env:3",
                          "environment": "environment NEUROSHIELD_DATA", "flag": "flag --data", None: "default"}
                self.assertEqual(answer["origins"]["data"], origin[strongest])
                if strongest:
                    self.assertEqual(answer["values"]["data"], f"/from/{strongest}")

    def test_the_seeds_eight_names(self):
        names = {"JENKINS_URL": ("jenkins.url", "http://j/x"), "JENKINS_USERNAME": ("jenkins.username", "me"),
                 "JENKINS_TOKEN": ("jenkins.token", "[set]"), "JENKINS_JOB": ("jenkins.job", "a/b"),
                 "PROMETHEUS_URL": ("prometheus.url", "http://p"), "POLL_INTERVAL": ("poll_interval", 7),
                 "TELEMETRY_OUTPUT": ("collect.output", "x.csv"), "LOG_LEVEL": ("log_level", "DEBUG")}
        given = {**{name: str(value) for name, (_, value) in names.items()}, "JENKINS_TOKEN": "s3cret-t0ken"}
        values = self.show(env=given)["values"]
        for name, (key, value) in names.items():
            self.assertEqual(values[key], value, name)
        self.write(".env", "".join(f"{name}={value}\n" for name, value in given.items()))
        values = self.show()["values"]
        for name, (key, value) in names.items():
            self.assertEqual(values[key], value, name)

    def test_the_example_files_are_right(self):
        self.write(".env", (harness.ROOT / ".env.example").read_text())
        self.write("neuroshield.yaml", (harness.ROOT / "neuroshield.yaml.example").read_text())
        self.show()
        text = (harness.ROOT / ".env.example").read_text()
        for name in ["JENKINS_URL", "JENKINS_USERNAME", "JENKINS_TOKEN", "JENKINS_JOB", "PROMETHEUS_URL",
                     "POLL_INTERVAL", "TELEMETRY_OUTPUT", "LOG_LEVEL"]:
            self.assertRegex(text, rf"(?m)^#? ?{name}=")
        # Every line of the examples that is commented out must be right too when somebody takes the mark away.
        import re
        bare = re.sub(r"(?m)^# (?=[A-Z_]+=)", "", text)
        self.write(".env", bare)
        yaml = (harness.ROOT / "neuroshield.yaml.example").read_text()
        self.write("neuroshield.yaml", re.sub(r"(?m)^#(?= *(- )?[a-z_]+:)", "", yaml))
        self.show()

    def test_no_secret_is_ever_shown(self):
        secret = "tr0ub4dor-and-3"
        self.write("neuroshield.yaml", "jenkins: {username: me, token: '%s'}\napi: {token: '%s'}\n"
                   "notify: {webhook_url: 'http://h/%s', bearer_token: '%s'}\n"
                   "prometheus: {bearer_token: '%s'}\n" % ((secret,) * 5))
        for argv in [["show"], ["show", "--json"], ["show", "--origin", "--json"], ["show", "--origin"], ["check"]]:
            done = self.run_program("config", *argv)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertNotIn(secret, done.stdout + done.stderr)
        self.write("neuroshield.yaml", f"jenkins: {{url: 'http://me:{secret}@h/'}}\n")
        told = self.refused()
        self.assertIn("./neuroshield.yaml:1", told)
        self.assertNotIn(secret, told)
        self.write("neuroshield.yaml", f"jenkins:\n  token: {{a: '{secret}'}}\n")
        self.assertNotIn(secret, self.refused())

    def test_secrets_from_files(self):
        self.write("etc/token", "from-file\n")
        self.write("etc/n.yaml", "jenkins:\n  username: me\n  token_file: token\n")
        answer = self.show("--config", "etc/n.yaml")
        self.assertEqual(answer["values"]["jenkins.token"], "[set]")
        self.assertEqual(answer["origins"]["jenkins.token"], "etc/n.yaml:3 (etc/token)")
        answer = self.show(env={"JENKINS_USERNAME": "me", "JENKINS_TOKEN_FILE": "etc/token"})
        self.assertEqual(answer["origins"]["jenkins.token"], "environment JENKINS_TOKEN_FILE (etc/token)")
        self.assertIn("environment JENKINS_TOKEN_FILE", self.refused(env={"JENKINS_TOKEN_FILE": "etc/none"}))

    def test_which_yaml_file_is_read(self):
        self.write("neuroshield.yaml", "poll_interval: 1\n")
        self.write("env.yaml", "poll_interval: 2\n")
        self.write("flag.yaml", "poll_interval: 3\n")
        self.assertEqual(self.show()["values"]["poll_interval"], 1)
        env = {"NEUROSHIELD_CONFIG": "env.yaml"}
        self.assertEqual(self.show(env=env)["values"]["poll_interval"], 2)
        answer = self.show("--config=flag.yaml", env=env)
        self.assertEqual((answer["values"]["poll_interval"], answer["config_file"]), (3, "flag.yaml"))
        self.assertIn("none.yaml", self.refused("--config", "none.yaml"))
        self.assertIn("none.yaml", self.refused(env={"NEUROSHIELD_CONFIG": "none.yaml"}))

    def test_the_data_folder(self):
        def data(**env):
            return self.show(env=env)["values"]["data"]
        self.assertEqual(data(XDG_STATE_HOME="/s", HOME="/h"), "/s/neuroshield")
        self.assertEqual(data(XDG_STATE_HOME="relative", HOME="/h"), "/h/.local/state/neuroshield")
        self.assertEqual(data(XDG_STATE_HOME="", HOME="/h"), "/h/.local/state/neuroshield")
        self.assertEqual(data(XDG_STATE_HOME="/s", NEUROSHIELD_DATA="/d"), "/d")

    def test_faults_are_named_with_their_place(self):
        for text, said in [
            ("mode: observe\njenkins:\n  urll: x\n", ["./neuroshield.yaml:3", "jenkins.urll", "'jenkins.url'"]),
            ("actions:\n  retry_biuld: {mode: auto}\n", ["./neuroshield.yaml:2", "'actions.retry_build'"]),
            ("signals:\n  cpu_usag: up\n", ["./neuroshield.yaml:2", "'signals.cpu_usage'"]),
            ("mode: fully\n", ["./neuroshield.yaml:1", "observe|suggest|approve|auto"]),
            ("a: 1\n", ["./neuroshield.yaml:1", "unknown key 'a'"]),
            ("mode: observe\nmode: auto\n", ["./neuroshield.yaml:2", "twice"]),
            ("mode: &x observe\n", ["./neuroshield.yaml:1", "anchors"]),
            ("jenkins: [\n", ["./neuroshield.yaml:", "not"]),
            ("jenkins: {url: 'ftp://x'}\n", ["./neuroshield.yaml:1", "jenkins.url"]),
            ("pipelines:\n  - {jenkins_job: a}\n  - {jenkins_job: a}\n", ["./neuroshield.yaml:3", "twice"]),
            ("jenkins: {token: x}\n", ["./neuroshield.yaml:1", "jenkins.username"]),
            ("jenkins: {username: u, token: x, password: y}\n", ["exclude each other"]),
        ]:
            with self.subTest(text):
                self.write("neuroshield.yaml", text)
                told = self.refused()
                for word in said:
                    self.assertIn(word, told)
        (self.folder / "neuroshield.yaml").unlink()
        for text, said in [("POLL_INTERVAL=x\n", "./.env:1"), ("\nnot a line\n", "./.env:2"), ("A='\n", "./.env:1")]:
            self.write(".env", text)
            self.assertIn(said, self.refused())
        (self.folder / ".env").unlink()
        self.assertIn("environment LOG_LEVEL", self.refused(env={"LOG_LEVEL": "LOUD"}))
        self.assertIn("flag --seed", self.refused("--seed", "x"))

    def test_a_fault_in_a_weaker_source_is_told_all_the_same(self):
        self.write(".env", "POLL_INTERVAL=x\n")
        self.assertIn("./.env:1", self.refused(env={"POLL_INTERVAL": "5"}))

    def test_a_shared_dotenv_may_hold_what_is_not_ours(self):
        self.write(".env", "DATABASE_URL=postgres://x\nexport JENKINS_URL='http://j' # ours\r\nKEY=\"two\nlines\"\n")
        answer = self.show()
        self.assertEqual((answer["values"]["jenkins.url"], answer["origins"]["jenkins.url"]), ("http://j", "./.env:2"))

    def test_signals_are_shown_as_they_will_be_asked(self):
        self.write("neuroshield.yaml", "prometheus: {namespace: prod, window: 5m}\n"
                   "signals:\n  pod_count: 'count(x{n=\"$namespace\"}[$window])'\n  node_disk: ''\n")
        values = self.show()["values"]
        self.assertEqual(values["signals.pod_count"], 'count(x{n="prod"}[5m])')
        self.assertEqual(values["signals.node_disk"], "")
        self.assertIn('namespace="prod"', values["signals.memory_usage"])

    def test_pipelines(self):
        self.write("neuroshield.yaml", "pipelines:\n  - name: Shop\n    jenkins_job: a/b\n    deployment: shop\n"
                   "  - jenkins_job: c\n")
        answer = self.show()
        self.assertEqual(answer["values"]["pipelines"],
                         [{"name": "Shop", "jenkins_job": "a/b", "deployment": "shop"},
                          {"name": "c", "jenkins_job": "c", "deployment": None}])
        self.assertEqual(answer["origins"]["pipelines"], "./neuroshield.yaml:2")


if __name__ == "__main__":
    unittest.main()
