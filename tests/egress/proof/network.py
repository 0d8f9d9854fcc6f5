"""A network of its own in which every address is this machine, so that whoever connects anywhere is accepted."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

PREPARE = """
set -e
ip link set lo up
ip route add local 0.0.0.0/0 dev lo
ip -6 route add local ::/0 dev lo
mount --bind "$1/resolv.conf" /etc/resolv.conf
mount --bind "$1/nsswitch.conf" /etc/nsswitch.conf
shift
exec "$@"
"""
UNSHARE = ("unshare", "--map-root-user", "--net", "--mount")


def why_not() -> str:
    """Why there can be no such network here, or ""."""
    try:
        done = subprocess.run([*UNSHARE, "ip", "link"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "unshare is not installed"
    return "" if done.returncode == 0 else f"no network of its own: {done.stderr.strip()}"


def run_inside(*arguments: str) -> Sequence[str]:
    """Run the proof there with these arguments; the lines that it prints."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "resolv.conf").write_text("nameserver 127.0.0.53\noptions timeout:2 attempts:1\n")
        (Path(folder) / "nsswitch.conf").write_text("hosts: files dns\n")
        command = [*UNSHARE, "sh", "-c", PREPARE, "sh", folder, sys.executable, "-m", "tests.egress.proof.inside"]
        done = subprocess.run([*command, *arguments], stdout=subprocess.PIPE, text=True, check=True, timeout=1800)
    return done.stdout.splitlines()
