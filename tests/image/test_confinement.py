"""What the process inside the container is and may do, read from inside."""

from typing import Any

import pytest

from tests.image.engine import HARDENED, PYTHON, Container, docker, probe

STATUS = """
import json
fields = dict(line.rstrip().split(":", 1) for line in open("/proc/1/status"))
names = ("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp")
print(json.dumps({name: fields[name].split() for name in names}))
"""

WRITE = """
import errno, json, os
outcome = {}
for folder in ("/", "/app", "/home/nonroot", "/tmp", "/usr/lib", "/etc", "/var/tmp"):
    try:
        with open(os.path.join(folder, "written"), "w"):
            outcome[folder] = "written"
    except OSError as error:
        outcome[folder] = errno.errorcode[error.errno]
print(json.dumps(outcome))
"""

# Looks at permissions, so it runs in a container whose root is not read-only.
FILES = """
import json, os, stat
found = {"writable_files": [], "writable_folders": [], "setuid": [], "files": 0}
for folder, folders, files in os.walk("/"):
    if folder in ("/proc", "/sys", "/dev"):
        folders.clear()
        continue
    for name in folders + files:
        path = os.path.join(folder, name)
        mode = os.lstat(path).st_mode
        if stat.S_ISLNK(mode):
            continue
        found["files"] += 1
        if mode & (stat.S_ISUID | stat.S_ISGID) and stat.S_ISREG(mode):
            found["setuid"].append(path)
        if os.access(path, os.W_OK):
            found["writable_folders" if stat.S_ISDIR(mode) else "writable_files"].append(path)
print(json.dumps(found))
"""

PROGRAMS = """
import json, os
wanted = {"sh", "bash", "dash", "ash", "zsh", "busybox", "apt", "apt-get", "dpkg", "pip", "pip3", "apk", "rpm",
          "curl", "wget", "nc", "perl", "env", "su", "mount"}
folders = ("/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/app/bin")
print(json.dumps([os.path.join(f, n) for f in folders if os.path.isdir(f) for n in os.listdir(f) if n in wanted]))
"""


def test_the_server_runs_as_nobody_with_no_capability_and_can_gain_none(server: Container) -> None:
    status = server.run_inside(STATUS)
    assert status["Uid"] == ["65532"] * 4
    assert status["Gid"] == ["65532"] * 4
    assert {status[name][0] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert status["NoNewPrivs"] == ["1"]
    assert status["Seccomp"] == ["2"], "the engine's system call filter is off"


def test_nothing_can_be_written_where_the_root_is_read_only(server: Container) -> None:
    outcome = server.run_inside(WRITE)
    assert "written" not in outcome.values()
    assert {outcome[folder] for folder in ("/", "/app", "/tmp")} <= {"EROFS", "EACCES"}


def test_no_file_is_writable_by_the_server_and_none_raises_privileges(image: str) -> None:
    found = probe(image, FILES, "--network=none")
    # The engine lays these two over every container; neither is part of the image.
    assert set(found["writable_files"]) <= {"/.dockerenv"}
    assert found["setuid"] == []
    assert found["files"] > 1000
    shared = {"/tmp", "/var/tmp", "/var/lock", "/run/lock"}
    assert set(found["writable_folders"]) <= shared, "a folder other than those that anybody may write"


def test_there_is_neither_a_shell_nor_a_package_manager(image: str) -> None:
    assert probe(image, PROGRAMS, "--network=none") == []


@pytest.mark.parametrize("command", ["sh", "/bin/sh", "/busybox/sh"])
def test_a_shell_cannot_be_started(image: str, command: str) -> None:
    done = docker("run", "--rm", "--network=none", "--entrypoint", command, image, "-c", "true", check=False)
    assert done.returncode == 127, done.stderr


@pytest.mark.parametrize("user", ["12345:12345", "1000770000:0", "65532:0", "0:0"])
def test_it_works_under_any_user(image: str, user: str) -> None:
    with Container(image, flags=(*HARDENED, f"--user={user}")) as container:
        assert container.initialize()["serverInfo"]["name"] == "mcp-dockerhub"


def test_variables_of_the_interpreter_do_not_change_what_is_imported(image: str) -> None:
    hostile = {"PYTHONPATH": "/tmp", "PYTHONSTARTUP": "/tmp/x.py", "PYTHONHOME": "/tmp", "PYTHONINSPECT": "1"}
    flags = ["--network=none", *(f"--env={name}={value}" for name, value in hostile.items())]
    done = docker("run", "--rm", *flags, image, "--version")
    assert done.stdout.startswith("mcp-dockerhub ")
    assert done.stderr == ""


def test_the_configuration_needs_no_variable_and_names_no_secret(inspected: Any) -> None:
    config = inspected["Config"]
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == [PYTHON, "-IB", "/app"]
    assert not config.get("Cmd")
    assert not config.get("Volumes")
    names = {entry.partition("=")[0] for entry in config["Env"]}
    assert names <= {"PATH", "SSL_CERT_FILE", "LANG", "MCP_DOCKERHUB_COMMIT"}
