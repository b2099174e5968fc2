"""A package registry for the recorded tools: Maven, npm, PyPI, Go and crates, from caches that their own clients filled.

It serves over HTTP (and HTTPS with good, expired or wrongly named certificates) and can be told to misbehave from the n-th
request on: answer an error status, reset, hang, cut a file short. The clients' messages are then the real ones.
"""
import base64
import glob
import hashlib
import http.server
import json
import os
import re
import socketserver
import ssl
import struct
import subprocess
import threading
import time

REASONS = {429: "Too Many Requests", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 500: "Internal Server Error",
           502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}


class Trouble:
    """What goes wrong: `kind` is a status, "reset", "hang" or "cut"; from request `after` on, for `times` requests."""

    def __init__(self, kind, after=0, times=1 << 30, only=None):
        self.kind, self.after, self.times, self.only = kind, after, times, only
        self.seen, self.lock = 0, threading.Lock()

    def hits(self, path):
        if self.only and not re.search(self.only, path):
            return False
        with self.lock:
            self.seen += 1
            return self.after < self.seen <= self.after + self.times


def read(path):
    with open(path, "rb") as handle:
        return handle.read()


class Shelf:
    """The files of one cache folder, by registry path."""

    def __init__(self, cache):
        self.cache = cache
        self.wheels = {}
        for path in sorted(glob.glob(f"{cache}/pypi/*")):
            name = re.split(r"-\d", os.path.basename(path))[0]
            self.wheels.setdefault(re.sub(r"[-_.]+", "-", name).lower(), []).append(path)
        self.crates = self.read_crates()
        self.packages = {}
        for path in glob.glob(f"{cache}/npm/node_modules/**/package.json", recursive=True):
            self.read_package(path)

    def read_crates(self):
        """The sparse index, as the client keeps it: version bytes, then NUL-separated (version, JSON line) pairs."""
        crates = {}
        for path in glob.glob(f"{self.cache}/cargo/registry/index/*/.cache/**/*", recursive=True):
            if not os.path.isfile(path):
                continue
            have = {os.path.basename(p) for p in glob.glob(f"{self.cache}/cargo/registry/cache/*/*.crate")}
            lines = []
            for part in read(path).split(b"\0"):
                if part.startswith(b"{"):
                    entry = json.loads(part)
                    if f"{entry['name']}-{entry['vers']}.crate" in have:
                        lines.append(part.decode())
            if lines:
                crates[os.path.basename(path)] = "\n".join(lines) + "\n"
        return crates

    def read_package(self, path):
        try:
            data = json.loads(read(path))
        except ValueError:
            return
        folder = os.path.dirname(path)
        parent = os.path.dirname(folder)
        if "name" in data and "version" in data and (parent.endswith("node_modules") or os.path.basename(parent).startswith("@")):
            self.packages.setdefault(data["name"], {}).setdefault(data["version"], (data, folder))

    def tarball(self, name, version):
        """An npm package packed again, the same bytes every time."""
        target = f"{self.cache}/npm-tarballs/{name.replace('/', '+')}-{version}.tgz"
        if not os.path.exists(target):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            scratch = f"{target}.{os.getpid()}.{threading.get_ident()}"
            subprocess.run(["tar", "--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--exclude=./node_modules", "--transform=s#^\\.#package#", "--use-compress-program=gzip -n",
                            "-cf", scratch, "-C", self.packages[name][version][1], "."], check=True)
            os.replace(scratch, target)
        return read(target)

    def npm(self, path, base):
        path = path.replace("%2f", "/").replace("%2F", "/")
        found = re.match(r"((?:@[^/]+/)?[^/]+)/-/.*-(\d[^/]*)\.tgz$", path)
        if found and found[2] in self.packages.get(found[1], {}):
            return self.tarball(found[1], found[2]), "application/octet-stream"
        if path not in self.packages:
            return None
        versions = {}
        for version, (data, _) in self.packages[path].items():
            packed = self.tarball(path, version)
            digest = base64.b64encode(hashlib.sha512(packed).digest()).decode()
            keep = {k: v for k, v in data.items() if k in ("name", "version", "dependencies", "peerDependencies", "peerDependenciesMeta", "bin", "engines", "deprecated", "optionalDependencies")}
            keep["dist"] = {"tarball": f"{base}/{path}/-/{path.split('/')[-1]}-{version}.tgz", "integrity": f"sha512-{digest}"}
            if path in ("request", "uuid", "har-validator", "glob", "inflight"):
                keep["deprecated"] = data.get("deprecated") or f"{path}@{version} is no longer supported, please move to a maintained one"
            versions[version] = keep
        newest = sorted(versions, key=lambda v: [int(x) if x.isdigit() else 0 for x in re.split(r"[.-]", v)])[-1]
        return json.dumps({"name": path, "dist-tags": {"latest": newest}, "versions": versions}).encode(), "application/json"

    def pypi(self, path, base):
        if path.startswith("files/"):
            whole = f"{self.cache}/pypi/{os.path.basename(path)}"
            if whole.endswith(".metadata"):
                return None
            return (read(whole), "application/octet-stream") if os.path.exists(whole) else None
        name = path.strip("/").split("/")[-1].lower()
        if name not in self.wheels:
            return None
        links = "".join(f'<a href="{base}/files/{os.path.basename(p)}">{os.path.basename(p)}</a><br>\n' for p in self.wheels[name])
        return f"<!DOCTYPE html><html><body>\n{links}</body></html>".encode(), "text/html"

    def crate(self, path, base):
        if path == "index/config.json":
            return json.dumps({"dl": f"{base}/dl"}).encode(), "application/json"
        found = re.match(r"dl/([^/]+)/([^/]+)/download", path)
        if found:
            whole = glob.glob(f"{self.cache}/cargo/registry/cache/*/{found[1]}-{found[2]}.crate")
            return (read(whole[0]), "application/octet-stream") if whole else None
        text = self.crates.get(path.split("/")[-1])
        return (text.encode(), "text/plain") if text else None

    def file(self, root, path):
        whole = os.path.normpath(os.path.join(self.cache, root, path))
        if os.path.isfile(whole):
            return read(whole), "application/octet-stream"
        if whole.endswith(".sha1") and os.path.isfile(whole[:-5]):
            return hashlib.sha1(read(whole[:-5])).hexdigest().encode(), "text/plain"
        return None

    def answer(self, path, host, scheme):
        for mark, serve in (("/maven/", lambda p, b: self.file("m2", p)), ("/go/", lambda p, b: self.file("gomod/cache/download", p)),
                            ("/npm/", self.npm), ("/pypi/", self.pypi), ("/crates/", self.crate)):
            before, found, rest = path.partition(mark)
            if found:
                if mark == "/pypi/" and rest.startswith("simple/"):
                    rest = rest[7:]
                return serve(rest, f"{scheme}://{host}{before}{mark.rstrip('/')}")
        return None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "nginx"
    sys_version = ""

    def log_message(self, *_):
        pass

    def status(self, code):
        body = f"<html><head><title>{code} {REASONS[code]}</title></head></html>\n".encode()
        self.send_response(code, REASONS[code])
        self.send_header("Content-Length", str(len(body)))
        if code == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="repository"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self):
        self.do_GET()

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.status(404)

    do_PUT = do_POST

    def reset(self):
        self.connection.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SO_LINGER 0: the peer sees a reset
        self.connection.close()
        self.close_connection = True

    def do_GET(self):
        trouble = self.server.house.trouble
        path = self.path.split("?")[0]
        if trouble and trouble.hits(path):
            if isinstance(trouble.kind, int):
                return self.status(trouble.kind)
            if trouble.kind == "reset":
                return self.reset()
            if trouble.kind == "hang":
                until = time.time() + 30
                while self.server.house.trouble is trouble and time.time() < until:
                    time.sleep(0.1)
                return self.reset()
        found = self.server.house.shelf.answer(path, self.headers.get("Host", "localhost"), self.server.scheme)
        if not found:
            return self.status(404)
        body, kind = found
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return None
        if trouble and trouble.kind == "cut" and len(body) > 2000 and trouble.hits(path):
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
            return None
        self.wfile.write(body)
        return None


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def handle_error(self, *_):
        pass


def certificates(folder):
    """A CA of ours and three host certificates: good, out of date, for another name."""
    os.makedirs(folder, exist_ok=True)
    if os.path.exists(f"{folder}/wrong.pem"):
        return
    run = lambda *c: subprocess.run(["openssl", *c], check=True, capture_output=True, cwd=folder)
    run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "900", "-subj", "/CN=Example Build CA")
    with open(f"{folder}/ca.cnf", "w", encoding="ascii") as handle:
        handle.write("[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nserial=ca.serial\nnew_certs_dir=.\ncertificate=ca.pem\nprivate_key=ca.key\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n")
    with open(f"{folder}/index.txt", "w", encoding="ascii"), open(f"{folder}/ca.serial", "w", encoding="ascii") as serial:
        serial.write("1000\n")
    for name, host in (("good", "vault.example.org"), ("expired", "files.example.org"), ("wrong", "other.example.org")):
        run("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={host}")
        with open(f"{folder}/{name}.ext", "w", encoding="ascii") as handle:
            handle.write(f"subjectAltName=DNS:{host}\n")
        if name == "expired":
            run("ca", "-batch", "-config", "ca.cnf", "-in", "expired.csr", "-out", "expired.pem", "-extfile", "expired.ext", "-notext",
                "-startdate", "20240101000000Z", "-enddate", "20240601000000Z")
        else:
            run("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", f"{name}.pem", "-extfile", f"{name}.ext", "-days", "800")


class Mirror:
    """The registry, started on ports 80 and 443 of this namespace."""

    def __init__(self, cache, keys):
        self.shelf, self.trouble = Shelf(cache), None
        certificates(keys)
        plain = Server(("127.0.0.1", 80), Handler)
        secure = Server(("127.0.0.1", 443), Handler)
        contexts = {}
        for name, host in (("good", "vault.example.org"), ("expired", "files.example.org"), ("wrong", "downloads.example.org")):
            contexts[host] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            contexts[host].load_cert_chain(f"{keys}/{name}.pem", f"{keys}/{name}.key")
        first = contexts["vault.example.org"]

        def pick(connection, host, _):
            connection.context = contexts.get(host, first)

        first.sni_callback = pick
        secure.socket = first.wrap_socket(secure.socket, server_side=True)
        for server, scheme in ((plain, "http"), (secure, "https")):
            server.house, server.scheme = self, scheme
            threading.Thread(target=server.serve_forever, daemon=True).start()
