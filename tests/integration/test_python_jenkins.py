"""The real client python3-jenkins against the served world, and what Jenkins refuses."""
import base64
import http.client
import json
import subprocess
import unittest
import urllib.parse
from datetime import datetime

import harness
from harness import get, get_json, wait_for

try:
    import jenkins
    import requests
except ImportError:  # Debian: python3-jenkins
    jenkins = None

JOB = "sock-shop/carts"
JOB_PATH = "/jenkins/job/sock-shop/job/carts"


def ask(address, method, path, body=None, **headers):
    """(status, headers, body) without following redirects."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=20)
    try:
        if isinstance(body, dict):
            body = urllib.parse.urlencode(body)
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        connection.close()


def basic(user, secret):
    return "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()


class Served(harness.Case):
    def serve(self, *argv):
        _, address = self.world("--seed", "7", "--speed", "0", "--start", "2026-11-23T22:40:00Z", "--scenario", "demo", *argv)
        self.address = address
        return address

    def advance(self, seconds):
        """Moves the world and returns its time in ms."""
        now = datetime.fromisoformat(get_json(self.address + "/world/v1/state")["now"].replace("Z", "+00:00"))
        until_ms = round((now.timestamp() + seconds) * 1000)
        status, _, body = ask(self.address, "POST", "/world/v1/advance", json.dumps({"until": until_ms}))
        self.assertEqual(status, 200, body)
        return until_ms

    def advance_until(self, condition, step_s=5, steps=2000):
        for _ in range(steps):
            value = condition()
            if value:
                return value
            self.advance(step_s)
        raise AssertionError("it never came to pass in this world")


@unittest.skipIf(jenkins is None, "python3-jenkins is not installed")
class PythonJenkins(Served):
    def clients(self):
        """Anonymous (who needs crumbs) and with an API token, each in a fresh world of the same seed."""
        yield self.client(self.serve() + "/jenkins")
        yield self.client(self.serve() + "/jenkins/", username="neuroshield", password="a-token")

    def client(self, *args, **more):
        client = jenkins.Jenkins(*args, **more)
        self.addCleanup(client._session.close)
        return client

    @staticmethod
    def idle(client):
        job = client.get_job_info(JOB)
        return not job["inQueue"] and not job["color"].endswith("_anime")

    @staticmethod
    def running(client):
        job = client.get_job_info(JOB)
        return job["lastBuild"]["number"] if job["color"].endswith("_anime") else None

    def test_reading(self):
        for client in self.clients():
            self.assertRegex(client.get_version(), r"^\d+\.\d+")
            self.assertIn(client.get_whoami()["fullName"], ("anonymous", "neuroshield"))
            names = [job["fullname"] for job in client.get_jobs(folder_depth=1)]
            self.assertIn("sock-shop", names)
            self.assertIn(JOB, names)
            self.assertEqual(len(client.get_all_jobs()), len(names))
            info = client.get_job_info(JOB)
            self.assertEqual(info["fullName"], JOB)
            self.assertTrue(client.job_exists(JOB))
            self.assertFalse(client.job_exists("sock-shop/nosuch"))
            number = info["lastCompletedBuild"]["number"]
            build = client.get_build_info(JOB, number, depth=1)
            self.assertEqual(build["result"], "SUCCESS")
            self.assertFalse(build["building"])
            self.assertIn({}, build["actions"])
            console = client.get_build_console_output(JOB, number)
            self.assertTrue(console.startswith("Started by") or "] Started by" in console.splitlines()[0])
            self.assertTrue(console.rstrip("\n").endswith("Finished: SUCCESS"))
            self.assertEqual(client.get_build_test_report(JOB, number)["failCount"], 0)
            self.assertIn("linux-1", [node["name"] for node in client.get_nodes()])
            self.assertIsInstance(client.get_running_builds(), list)
            with self.assertRaises(jenkins.JenkinsException):
                client.get_build_info(JOB, 99999)
            with self.assertRaises(jenkins.JenkinsException):
                client.get_job_info("sock-shop/nosuch")

    def test_a_build_from_the_trigger_to_its_log(self):
        for client in self.clients():
            self.advance_until(lambda: self.idle(client))
            key = "0123456789abcdef0123456789abcdef"
            item = client.build_job(JOB, {"NEUROSHIELD_KEY": key, "TARGET": "größer als sonst"})
            self.assertIn(item, [i["id"] for i in client.get_queue_info()])
            self.assertTrue(client.get_queue_item(item)["why"])
            number = self.advance_until(lambda: (client.get_queue_item(item).get("executable") or {}).get("number"))
            self.assertTrue(client.get_build_info(JOB, number)["building"])
            self.advance_until(lambda: not client.get_build_info(JOB, number)["inProgress"])
            build = client.get_build_info(JOB, number)
            self.assertEqual(build["queueId"], item)
            given = {p["name"]: p["value"] for a in build["actions"] for p in a.get("parameters", [])}
            self.assertEqual(given["NEUROSHIELD_KEY"], key)
            self.assertEqual(given["TARGET"], "größer als sonst")
            console = client.get_build_console_output(JOB, number)
            self.assertTrue(console.rstrip("\n").endswith("Finished: " + build["result"]))
            effects = get_json(self.address + "/world/v1/effects")["items"]
            self.assertEqual([e["key"] for e in effects], [key])
            self.advance(400)
            with self.assertRaises(jenkins.JenkinsException):
                client.get_queue_item(item)

    def test_stopping_and_cancelling(self):
        for client in self.clients():
            item = client.build_job(JOB, {"TARGET": "x"})
            with self.assertRaises(jenkins.EmptyResponseException):
                client.cancel_queue(item)  # 204 has no body, which this client does not expect of a success
            self.assertTrue(client.get_queue_item(item)["cancelled"])
            number = self.advance_until(lambda: self.running(client))
            client.stop_build(JOB, number)
            self.advance(60)
            self.assertEqual(client.get_build_info(JOB, number)["result"], "ABORTED")

    def test_what_the_client_cannot_do_here(self):
        for client in self.clients():
            with self.assertRaises(requests.exceptions.HTTPError) as caught:
                client.build_job(JOB)  # a parameterized job without parameters
            self.assertEqual(caught.exception.response.status_code, 400)
            status, _, _ = ask(self.address, "POST", JOB_PATH + "/disable", Authorization=basic("neuroshield", "t"))
            self.assertEqual(status, 302)
            with self.assertRaises(requests.exceptions.HTTPError) as caught:
                client.build_job(JOB, {"TARGET": "x"})
            self.assertEqual(caught.exception.response.status_code, 409)
            self.assertEqual(get_json(self.address + "/world/v1/effects")["total"], 0)

    def test_a_closed_jenkins(self):
        address = self.serve("--jenkins-user", "ops", "--jenkins-token", "right", "--jenkins-password", "word")
        for user, secret, good in (("ops", "right", True), ("ops", "word", True), ("ops", "wrong", False), (None, None, False)):
            client = self.client(address + "/jenkins", username=user, password=secret)
            if good:
                self.assertEqual(client.get_whoami()["id"], "ops")
                # With the password the client fetches a crumb, with the session's cookie.
                self.assertGreater(client.build_job(JOB, {"TARGET": secret}), 0)
            else:
                with self.assertRaises(jenkins.JenkinsException):
                    client.get_jobs()


class Refusals(Served):
    """Status, headers and bodies of requests that Jenkins refuses."""

    def test_as_jenkins_refuses(self):
        address = self.serve()
        token = {"Authorization": basic("neuroshield", "t")}
        cases = [
            # method, path, body, headers, status, words in the body
            ("GET", JOB_PATH + "/build", None, {}, 405, "POST"),
            ("GET", JOB_PATH + "/1/stop", None, {}, 405, "POST"),
            ("POST", JOB_PATH + "/buildWithParameters", {"TARGET": "x"}, {}, 403, "No valid crumb"),
            ("POST", JOB_PATH + "/buildWithParameters", {"TARGET": "x"}, {"Jenkins-Crumb": "00"}, 403, "No valid crumb"),
            ("POST", JOB_PATH + "/build", None, token, 400, ""),
            ("POST", JOB_PATH + "/99999/stop", None, token, 404, ""),
            ("POST", "/jenkins/queue/cancelItem?id=99999", None, token, 404, ""),
            ("GET", JOB_PATH + "/lastFailedBuild/api/json", None, {}, 404, ""),
            ("GET", "/jenkins/api/json?tree=jobs[name", None, {}, 500, "Malformed tree expression"),
            ("GET", "/jenkins/queue/item/99999/api/json", None, {}, 404, ""),
            ("GET", JOB_PATH + "/api/json", None, {"Authorization": "Basic !"}, 401, ""),
        ]
        for method, path, body, headers, status, words in cases:
            with self.subTest(method=method, path=path):
                got, answer, text = ask(address, method, urllib.parse.quote(path, safe="/?=&%[]{},"), body, **headers)
                self.assertEqual(got, status, text)
                self.assertIn(words, text)
                self.assertTrue(answer["Content-Type"].startswith("text/html"), answer["Content-Type"])
                if status == 405:
                    self.assertEqual(answer["Allow"], "POST")
        self.assertEqual(get_json(address + "/world/v1/effects")["total"], 0)

    def test_a_starting_jenkins(self):
        address = self.serve("--startup", "3600")
        status, headers, body = get(address + "/jenkins/api/json")
        self.assertEqual(status, 503)
        self.assertTrue(headers["Content-Type"].startswith("text/html"))
        self.assertIn(b"getting ready to work", body)
        session = None
        for _ in range(2):
            status, _, _ = ask(address, "POST", "/world/v1/faults", json.dumps({"startup_s": 0}))
            self.assertEqual(status, 200)
            status, headers, _ = get(address + "/jenkins/api/json")
            self.assertEqual(status, 200)
            self.assertNotEqual(headers["X-Jenkins-Session"], session)  # another one after each restart
            session = headers["X-Jenkins-Session"]
            ask(address, "POST", "/world/v1/faults", json.dumps({"startup_s": 100}))

    def test_metrics_pass_the_linter(self):
        promtool = harness.need("promtool")
        address = self.serve()
        text = get(address + "/prometheus/metrics")[2]
        checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, timeout=60)
        # Names of node_exporter and of Jenkins' plug-in are as they are; nothing else may be found.
        odd = [line for line in (checked.stdout + checked.stderr).decode().splitlines()
               if not line.startswith(("node_memory_Mem", "default_jenkins_"))]
        self.assertEqual(odd, [])
        self.assertIn(checked.returncode, (0, 3))


class Command(harness.Case):
    def test_wrong_usage(self):
        for argv, status in ((["--speed", "-1"], 2), (["--speed", "fast"], 2), (["--start", "now"], 2), (["extra"], 2),
                             (["--jenkins-token", "t"], 2), (["--nosuch"], 2), (["--scenario", "/nosuch.yaml"], 3),
                             (["--listen", "127.0.0.1:99999"], 2)):
            with self.subTest(argv=argv):
                done = self.run_program("world", "--listen", "127.0.0.1:0", *argv, limit_s=20)
                self.assertEqual(done.returncode, status, done.stderr)
                self.assertTrue(done.stderr)

    def test_first_line_and_clean_end(self):
        process = self.start(harness.PROGRAM, "world", "--listen", "127.0.0.1:0", "--seed", "5", "--json",
                             "--write-config", self.folder / "here")
        hello = process.json_line()
        self.assertEqual((hello["schema"], hello["event"], hello["seed"]), (1, "listening", 5))
        self.assertEqual(get_json(f"http://{hello['address']}/world/v1/state")["seed"], 5)
        env = (self.folder / "here" / ".env").read_text()
        self.assertIn(f"JENKINS_URL=http://{hello['address']}/jenkins\n", env)
        self.assertEqual((self.folder / "here" / ".env").stat().st_mode & 0o777, 0o600)
        self.assertEqual(process.stop(), 0)

    def test_time_runs_at_its_speed(self):
        _, address = self.world("--speed", "1000", "--seed", "5")
        start = get_json(address + "/world/v1/state")["now"]
        wait_for(lambda: get_json(address + "/world/v1/state")["now"] > start[:17] + "59", 20, "a world minute")


if __name__ == "__main__":
    unittest.main()
