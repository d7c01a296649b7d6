"""The programs a run needs: found, built, and asked for their versions."""

import json
import os
import platform
import shutil
import subprocess
from pathlib import Path

from process import BenchError

ROOT = Path(__file__).resolve().parents[2]
# Program and the Debian package that has it.
PACKAGES = {
    "nginx": "nginx-light",
    "haproxy": "haproxy",
    "openssl": "openssl",
    "strace": "strace",
    "wrk": "wrk",
    "h2load": "nghttp2-client",
    "valgrind": "valgrind",
    "callgrind_annotate": "valgrind",
    "cargo": "rustup (or from https://rustup.rs)",
    "rustc": "rustup (or from https://rustup.rs)",
}
PATHS = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


def find(name: str) -> str:
    """The path of a program."""
    path = shutil.which(name, path=PATHS)
    if path is None:
        raise BenchError(f"{name} is missing; on Debian: apt install {PACKAGES.get(name, name)}")
    return path


def build(*target: str, flags: str | None = None) -> str:
    """Builds one target of the project with the release profile and returns its path; `flags` replace RUSTFLAGS."""
    command = [find("cargo"), "build", "--release", "--locked", "--message-format", "json-render-diagnostics", *target]
    environment = os.environ | ({} if flags is None else {"RUSTFLAGS": flags})
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environment)
    if done.returncode != 0:
        raise BenchError(f"{' '.join(command)} failed")
    messages = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
    made = [message["executable"] for message in messages if message.get("executable")]
    if not made:
        raise BenchError(f"{' '.join(command)} made no program")
    return str(made[-1])


def make_certificate(folder: Path) -> Path:
    """One self-signed ECDSA P-256 certificate for all: certificate.pem, key.pem, and pair.pem with both."""
    certificate, key, config = folder / "certificate.pem", folder / "key.pem", folder / "openssl.conf"
    config.write_text(
        "[req]\nprompt=no\ndistinguished_name=name\nx509_extensions=leaf\n[name]\nCN=bench.test\n"
        "[leaf]\nsubjectAltName=DNS:*.bench.test,DNS:bench.test\nbasicConstraints=critical,CA:FALSE\n"
        "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n"
    )
    command = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]
    files = ["-config", str(config), "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([find("openssl"), *command, *files], check=True, capture_output=True)
    (folder / "pair.pem").write_text(certificate.read_text() + key.read_text())
    return certificate


def first_line(command: list[str], cwd: Path = ROOT) -> str:
    """What a program says first of itself; nginx says it on standard error."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0] if lines else "unknown"


def machine() -> dict[str, str]:
    """What the numbers depend on."""
    cpu = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    memory = Path("/proc/meminfo").read_text().split()[1]
    return {
        "cpu": cpu[0].partition(":")[2].strip() if cpu else platform.machine(),
        "cores": str(os.cpu_count()),
        "memory": f"{int(memory) / (1 << 20):.0f} GiB",
        "kernel": platform.release(),
        "load_at_start": f"{os.getloadavg()[0]:.1f}",
    }


def versions() -> dict[str, str]:
    return {
        "clearway": first_line(["git", "describe", "--always", "--dirty", "--abbrev=10"]),
        "nginx": first_line([find("nginx"), "-v"]).removeprefix("nginx version: "),
        "haproxy": first_line([find("haproxy"), "-v"]).removeprefix("HAProxy version ").split()[0],
        "openssl": first_line([find("openssl"), "version"]).partition("(")[0].strip(),
        "rustc": first_line(["rustc", "--version"]),
    }
