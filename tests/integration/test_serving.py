"""The served API: routes, errors, rights, live events, and clients that mean no good."""
import http.client
import json
import socket
import threading
import time
import unittest

import harness
from harness import get, get_json, wait_for


class Serving(harness.Case):
    def setUp(self):
        super().setUp()
        self.process, self.api, _ = self.daemon("--world", "--speed", "60", "--seed", "5", "--data", self.folder / "data")
        wait_for(lambda: get(self.api + "/readyz")[0] == 200, 20, "readiness")
        self.address = self.api.removeprefix("http://")

    def test_lists_have_items_and_a_cursor(self):
        wait_for(lambda: get_json(self.api + "/api/v1/records?limit=3")["next"], 20, "more than one page")
        seen, after = [], 0
        for _ in range(4):
            page = get_json(f"{self.api}/api/v1/records?limit=3&after={after}")
            self.assertEqual(page["schema"], 1)
            seen += [(r["timestamp"], r["jenkins_job"]) for r in page["items"]]
            after = page["next"]
            if after is None:
                break
        self.assertEqual(len(seen), len(set(seen)))
        for name in ("pipelines", "builds", "cases", "decisions", "actions", "audit", "config"):
            self.assertIn("items", get_json(f"{self.api}/api/v1/{name}"), name)

    def test_errors_say_what_is_wrong(self):
        for path, status in [("/api/v1/nothing", 404), ("/api/v1/cases/999999", 404), ("/api/v1/cases?limit=0", 400),
                             ("/api/v1/records?after=x", 400), ("/api/v1/builds/no-number", 404)]:
            code, _, body = get(self.api + path)
            self.assertEqual(code, status, path)
            error = json.loads(body)["error"]
            self.assertTrue(error["code"] and error["message"], path)

    def test_nothing_is_written_without_the_operators_right(self):
        for path in ("/api/v1/pause", "/api/v1/resume", "/api/v1/decisions/1/approve", "/api/v1/cases/1/undo",
                     "/api/v1/builds/sock-shop%2Fcarts%234/verdict"):
            connection = http.client.HTTPConnection(self.address, timeout=10)
            connection.request("POST", path, body="{}")
            self.assertEqual(connection.getresponse().status, 401, path)
            connection.close()

    def test_event_ids_grow_by_one_and_can_be_resumed(self):
        first = self.events(None, 6)
        ids = [i for i, _, _ in first]
        self.assertEqual(ids, list(range(ids[0], ids[0] + len(ids))))
        again = self.events(ids[1], 3)
        self.assertEqual(again[0][0], ids[2])
        self.assertEqual(again[0], first[2])

    def events(self, last_id, count):
        connection = http.client.HTTPConnection(self.address, timeout=20)
        connection.request("GET", "/api/v1/events", headers={} if last_id is None else {"Last-Event-ID": str(last_id)})
        answer = connection.getresponse()
        self.assertEqual(answer.getheader("Content-Type"), "text/event-stream")
        found, fields = [], {}
        while len(found) < count:
            line = answer.readline().decode().rstrip("\n")
            if line == "" and "id" in fields:
                found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
            if line == "":
                fields = {}
            elif not line.startswith(":"):
                name, _, value = line.partition(": ")
                fields[name] = value
        connection.close()
        return found

    def test_the_page_is_served_with_a_strict_policy(self):
        status, headers, body = get(self.api + "/")
        self.assertEqual(status, 200)
        self.assertIn("default-src 'none'", headers["Content-Security-Policy"])
        self.assertNotIn(b"<script>", body)
        for path in ("/page.css", "/page.js", "/build.js"):
            self.assertEqual(get(self.api + path)[0], 200)

    def test_status_over_the_socket_in_the_data_folder(self):
        answer = self.run_program("status", "--json", "--data", self.folder / "data")
        self.assertEqual(answer.returncode, 0, answer.stderr)
        self.assertEqual(json.loads(answer.stdout)["mode"], "auto")
        self.assertEqual((self.folder / "data" / "neuroshield.sock").stat().st_mode & 0o777, 0o600)
        none = self.run_program("status", "--data", self.folder / "nobody")
        self.assertEqual(none.returncode, 1)
        self.assertIn("neuroshield run", none.stderr)

    def test_drip_fed_connections_are_cut_and_nobody_waits_for_them(self):
        drips = []
        for _ in range(200):
            s = socket.create_connection(self.address.split(":"), timeout=30)
            s.sendall(b"GET /healthz HTTP/1.1\r\n")
            drips.append(s)
        stop = threading.Event()

        def drip():
            while not stop.wait(0.5):
                for s in drips:
                    try:
                        s.sendall(b"X")
                    except OSError:
                        pass

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            self.assertEqual(get(self.api + "/healthz")[0], 200)
            begun = time.monotonic()
            for s in drips:
                s.settimeout(max(0.1, 20 - (time.monotonic() - begun)))
                try:
                    while s.recv(4096):
                        pass
                except ConnectionError:
                    pass
        finally:
            stop.set()
            thread.join()
            for s in drips:
                s.close()
        self.assertEqual(get(self.api + "/healthz")[0], 200)


if __name__ == "__main__":
    unittest.main()
