#!/usr/bin/python3
"""The daemon before a log of 1 GB, then before one line of 100 MB: how much its resident memory grows while it reads.

This script is the Jenkins; the logs are made as they are sent. usage: large_log.py PROGRAM"""
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

LINE = b"[INFO] downloading from the repository, number 42 of 117, done: everything is as it should be .....\n"
MIB = 1 << 20
LIMIT_S = 150


class Jenkins(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, kind, size):
        super().__init__(("127.0.0.1", 0), Handler)
        self.size, self.read_to, self.sent, self.read_all = size, 0, 0, threading.Event()
        text = LINE if kind == "lines" else b"x" * len(LINE)
        self.piece = (text * (MIB // len(text) + 2))
        self.period = len(text)
        self.born_ms = int(time.time() * 1000)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        jenkins = self.server
        path, _, query = self.path.partition("?")
        if path.endswith("progressiveText"):
            self.send_log(int(urllib.parse.parse_qs(query)["start"][0]))
            return
        build = {"_class": "WorkflowRun", "number": 1, "building": True, "inProgress": True, "result": None,
                 "timestamp": jenkins.born_ms, "duration": 0, "estimatedDuration": 100000, "queueId": 1}
        answers = {"/whoAmI/api/json": {"name": "shield", "anonymous": False},
                   "/queue/api/json": {"items": []}, "/computer/api/json": {"computer": []},
                   "/job/big/1/api/json": build, "/job/big/api/json": {"builds": [build]},
                   "/api/json": {"jobs": [{"_class": "hudson.model.FreeStyleProject", "name": "big", "color": "blue_anime",
                                           "buildable": True, "inQueue": False, "lastBuild": build}]}}
        body = json.dumps(answers.get(path, {})).encode()
        self.send_response(200 if path in answers else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Jenkins", "2.462.3")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_log(self, start):
        jenkins = self.server
        start = 0 if start > jenkins.size else start
        self.send_response(200)
        self.send_header("Content-Type", "text/plain;charset=utf-8")
        self.send_header("X-Text-Size", str(jenkins.size))
        self.send_header("X-More-Data", "true")
        self.send_header("Content-Length", str(jenkins.size - start))
        self.end_headers()
        try:
            for at in range(start, jenkins.size, MIB):
                part = min(MIB, jenkins.size - at)
                turn = at % jenkins.period
                self.wfile.write(jenkins.piece[turn:turn + part])
                jenkins.sent += part
        except OSError:
            pass  # the daemon has had enough
        if start == jenkins.size:  # it asks for what comes next
            jenkins.read_all.set()


def resident(pid, key):
    with open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith(key + ":"):
                return int(line.split()[1]) / 1024
    return 0.0


def measure(program, name, kind, size):
    jenkins = Jenkins(kind, size)
    threading.Thread(target=jenkins.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "JENKINS_URL": f"http://127.0.0.1:{jenkins.server_address[1]}", "JENKINS_USERNAME": "a",
                       "JENKINS_TOKEN": "bench-token", "POLL_INTERVAL": "1", "LOG_LEVEL": "WARNING"}
        before = idle(program, folder + "/idle", {**environment, "JENKINS_URL": "http://127.0.0.1:1"})
        began = time.monotonic()
        daemon = subprocess.Popen([program, "run", "--listen", "127.0.0.1:0", "--json", "--data", folder + "/data"],
                                  cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        whole = False
        while not whole and daemon.poll() is None and time.monotonic() - began < LIMIT_S:
            whole = jenkins.read_all.wait(0.2)
        took, most = time.monotonic() - began, resident(daemon.pid, "VmHWM")
        daemon.terminate()
        told = daemon.communicate()[1].splitlines()
        print(f"{name}: {jenkins.sent / 1e6:.0f} MB sent in {took:.0f} s, {'read to its end' if whole else 'NOT READ'}; "
              f"resident at most {most:.0f} MB, {most - before:.0f} MB above an idle daemon")
        for line in told[:2]:
            print("   ", line)
    jenkins.shutdown()
    return whole and most - before < 64


def idle(program, folder, environment):
    daemon = subprocess.Popen([program, "run", "--listen", "127.0.0.1:0", "--json", "--data", folder], env=environment,
                              cwd=os.path.dirname(folder), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    daemon.stdout.readline()
    time.sleep(2)
    most = resident(daemon.pid, "VmHWM")
    daemon.terminate()
    daemon.wait()
    return most


def main():
    program = os.path.abspath(sys.argv[1])
    good = [measure(program, "a log of 1 GB", "lines", 10**9), measure(program, "a line of 100 MB", "line", 10**8)]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
