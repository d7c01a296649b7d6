"""Checks docker-compose.yml and config/clearml the way they will be read: compose itself fills in the variables,
ClearML's parser reads the files and the environment. No container is started."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml
from pyhocon import ConfigFactory, ConfigTree

ROOT = Path(__file__).resolve().parent.parent.parent
DOMAIN = "clearml.example.com"
STOCK = "apiserver fileserver webserver elasticsearch mongo redis async_delete agent-services".split()
# Bytes that decide whether quoting holds: `1e4...` is a number where it does not.
SECRET = "1e4"
# Where a proxy makes its admin socket when no variable names another folder (src/config/environment.rs).
SOCKETS = "/run/clearway"


def compose_command():
    plugin = subprocess.run(["docker", "compose", "version"], capture_output=True) if shutil.which("docker") else None
    if plugin and plugin.returncode == 0:
        return ["docker", "compose"]
    return ["docker-compose"]


def variables():
    """Those that .env.example leaves to be filled in."""
    return re.findall(r"^([A-Z_]+)=$", (ROOT / ".env.example").read_text(), flags=re.M)


def filled_in(values):
    """docker-compose.yml as compose reads it with these variables; or compose's complaint."""
    with tempfile.NamedTemporaryFile("w", suffix=".env") as env:
        env.write("".join(f"{name}={value}\n" for name, value in values.items()))
        env.flush()
        command = [*compose_command(), "--env-file", env.name, "--profile", "services-agent", "config"]
        clean = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        run = subprocess.run(command, cwd=ROOT, env=clean, capture_output=True, text=True)
    return yaml.safe_load(run.stdout) if run.returncode == 0 else run.stderr


def clearml_reads(environment):
    """What ClearML's servers make of config/clearml and their environment (apiserver/config/basic.py)."""
    os.environ.update({name: str(value) for name, value in environment.items()})
    files = ConfigTree()
    for file in (ROOT / "config/clearml").rglob("*.conf"):
        files.put(file.stem, ConfigFactory.parse_file(str(file)))
    for name in sorted(name for name in environment if name.startswith("CLEARML__")):
        path = name.removeprefix("CLEARML__").replace("__", ".").lower()
        files = ConfigTree.merge_configs(files, ConfigFactory.parse_string(f"{path}: {environment[name]}"))
    return files


def published(port):
    """A port as compose's releases write it: `80:80` or a map."""
    if isinstance(port, dict):
        return f"{port['published']}:{port['target']}"
    return port.removesuffix("/tcp")


def folder(mount):
    return mount.partition(":")[0]


def owner(mount):
    """User and group of a tmpfs, as compose has them behind the folder."""
    options = dict(option.partition("=")[::2] for option in mount.partition(":")[2].split(","))
    return options.get("uid"), options.get("gid")


def problems():
    values = dict.fromkeys(variables(), SECRET) | {"CLEARML_DOMAIN": DOMAIN}
    for name in values:
        complaint = filled_in({**values, name: ""})
        if not isinstance(complaint, str):
            yield f"compose accepts an empty {name}"

    project = filled_in(values)
    if isinstance(project, str):
        yield f"compose refuses the file: {project}"
        return
    services = project["services"]
    for name in STOCK:
        if name not in services:
            yield f"the stock service {name} is missing"
    for name, service in services.items():
        ports = sorted(published(port) for port in service.get("ports", []))
        if ports != (["443:443", "80:80"] if name == "clearway" else []):
            yield f"{name} publishes {ports}"

    proxy = services["clearway"]
    aliases = set((proxy["networks"]["frontend"] or {}).get("aliases", []))
    if aliases != {f"{label}.{DOMAIN}" for label in ("app", "api", "files")}:
        yield f"the aliases of clearway are {aliases}"
    if str(ROOT / "config/clearml/proxy.conf") not in str(proxy["volumes"]):
        yield "clearway does not mount its proxy.conf"
    user = re.search(r"^USER (\d+):(\d+)$", (ROOT / "Dockerfile").read_text(), flags=re.M).groups()
    if proxy.get("read_only") and user not in [owner(mount) for mount in proxy["tmpfs"] if folder(mount) == SOCKETS]:
        yield f"clearway cannot make its admin socket in {SOCKETS} as {user}, so its health check fails"

    agent = services["agent-services"]["environment"]
    for variable, label in [("CLEARML_WEB_HOST", "app"), ("CLEARML_API_HOST", "api"), ("CLEARML_FILES_HOST", "files")]:
        if agent[variable] != f"https://{label}.{DOMAIN}":
            yield f"agent-services: {variable} is {agent[variable]}"

    for name in ("apiserver", "fileserver", "async_delete"):
        read = clearml_reads(services[name]["environment"])
        for path, wanted in expected(name).items():
            found = read.get(path, None)
            if found != wanted:
                yield f"{name} reads {path} as {found!r}, not {wanted!r}"


def expected(service):
    both = {
        "apiserver.auth.cookies.domain": f".{DOMAIN}",
        "apiserver.auth.cookies.secure": True,
        "apiserver.auth.cookies.httponly": True,
        "apiserver.auth.fixed_users.enabled": True,
        "apiserver.auth.fixed_users.pass_hashed": True,
        "services.tasks.non_responsive_tasks_watchdog.threshold_sec": 7200,
        "services.tasks.non_responsive_tasks_watchdog.watch_interval_sec": 900,
        "secure.credentials.fileserver.user_key": SECRET,
        "secure.credentials.fileserver.user_secret": SECRET,
    }
    if service == "fileserver":
        return both
    pairs = {f"secure.credentials.{who}.user_{what}": SECRET
             for who in ("apiserver", "webserver", "tests") for what in ("key", "secret")}
    return both | pairs | {
        "secure.auth.token_secret": SECRET,
        "secure.http.session_secret.apiserver": SECRET,
        "services.async_urls_delete.fileserver.url_prefixes": [f"https://files.{DOMAIN}"],
    }


found = list(problems())
for problem in found:
    print(problem, file=sys.stderr)
print(f"compose: {len(found)} problems")
sys.exit(bool(found))
