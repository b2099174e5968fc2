"""A build agent of its own: namespaces in which the recorded tools run.

The recorder starts itself again inside fresh mount, network, UTS, IPC and PID namespaces. There the host is called like an
example agent, the only network is loopback, every registry is a host name of ours on 127.0.0.1, and the home folder is
/home/jenkins. So nothing in a log has to be rewritten afterwards: the names the tools print are examples already.
"""
import os
import shutil
import socket
import subprocess
import sys

JENKINS_UID = 1001 + int(os.environ.get("RECORDER_WORKER", "0"))
AGENTS = ("agent-01", "agent-02", "agent-03", "linux-builder-4", "build-7f9c", "ci-worker-12", "node-b", "bullseye-2")
HOSTS = (
    "nexus.example.org", "artifacts.example.com", "mirror.example.net", "packages.internal.example", "registry.example.com",
    "proxy.build.example", "repo.shop.example", "git.example.org", "code.example.com", "cluster.example.org", "hooks.example.com",
)
SECURE_HOSTS = ("vault.example.org", "files.example.org", "downloads.example.org")


def sh(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def enter(scratch, worker, argv):
    """Replaces this process by the same program inside the namespaces; comes back only there."""
    if os.environ.get("RECORDER_INSIDE") == "1":
        return
    os.makedirs("/srv/rec", exist_ok=True)
    environment = {"RECORDER_INSIDE": "1", "RECORDER_WORKER": str(worker), "PYTHONDONTWRITEBYTECODE": "1", "RECORDER_VERBOSE": os.environ.get("RECORDER_VERBOSE", ""), "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
    os.execvpe(
        "unshare",
        ["unshare", "--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private",
         "/usr/bin/python3", os.path.abspath(sys.argv[0]), *argv],
        environment,
    )


def write(path, text):
    with open(path, "w", encoding="ascii") as handle:
        handle.write(text)


def furnish(scratch, worker):
    """Mounts and names inside the namespaces. `scratch` is afterwards at /srv/rec."""
    sh("mount", "--bind", scratch, "/srv/rec")
    own = f"/srv/rec/worker-{worker}"
    shutil.rmtree(own, ignore_errors=True)
    for name in ("home", "tmp", "etc", "var"):
        os.makedirs(f"{own}/{name}")
    os.makedirs("/home/jenkins", exist_ok=True)
    os.makedirs("/opt/rust", exist_ok=True)
    sh("mount", "--bind", f"{own}/home", "/home/jenkins")
    os.chmod(f"{own}/tmp", 0o1777)
    write(f"{own}/home/.gitconfig", "[safe]\n\tdirectory = *\n[user]\n\tname = jenkins\n\temail = jenkins@example.org\n")
    rust = "/root/.rustup/toolchains"
    if os.path.isdir(rust):
        toolchain = sorted(os.listdir(rust))[0]
        sh("mount", "--bind", os.path.join(rust, toolchain), "/opt/rust")
    loopback = "127.0.0.1 localhost\n" + "".join(f"127.0.0.1 {h}\n" for h in HOSTS + SECURE_HOSTS + AGENTS)
    # A whole /etc of its own: a file bound over one in /etc is lost when somebody outside replaces that file.
    sh("cp", "-a", "/etc/.", f"{own}/etc")
    for name, text in (("hosts", loopback), ("resolv.conf", ""), ("hostname", AGENTS[0] + "\n"), ("group", f"root:x:0:\njenkins:x:{JENKINS_UID}:\n"),
                       ("passwd", f"root:x:0:0:root:/root:/bin/sh\njenkins:x:{JENKINS_UID}:{JENKINS_UID}::/home/jenkins:/bin/sh\n"), ("mtab", "")):
        if os.path.lexists(f"{own}/etc/{name}"):
            os.unlink(f"{own}/etc/{name}")
        write(f"{own}/etc/{name}", text)
    sh("mount", "--bind", f"{own}/etc", "/etc")
    sh("mount", "--bind", f"{own}/tmp", "/tmp")
    os.chown("/home/jenkins", JENKINS_UID, JENKINS_UID)
    sh("ip", "link", "set", "lo", "up")
    socket.sethostname(AGENTS[0])


def host_known(name, known):
    """Makes an example host resolvable or not (the name server of this agent is its hosts file)."""
    with open("/etc/hosts", encoding="ascii") as handle:
        lines = [l for l in handle if l.split()[1] != name]
    if known:
        lines.append(f"127.0.0.1 {name}\n")
    write("/etc/hosts", "".join(lines))
