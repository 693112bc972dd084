"""Commands of services whose containers start elsewhere: `install` and `check` read them word by word."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

CONFINED = Path(__file__).parents[1] / "templates" / "bash" / "confined.bash"

ELSEWHERE = (
    "docker run --network host x",
    "/usr/bin/docker compose up",
    "sh -c 'exec docker compose up'",
    "sh -c 'cd /srv && docker start x'",
    "env A=b docker run x",
    "nice -n 10 docker run --network host x",
    "sudo -u bob docker run x",
    "timeout 60 docker run x",
    "ionice -c3 docker compose up",
    "flock /run/x docker run x",
    "docker exec x sh",
    "docker stack deploy -c stack.yml x",
    "docker service create x",
    "crictl runp pod.json",
    "podman --remote run x",
    "podman -r run x",
    "podman --url unix:///run/podman.sock run x",
    "podman --connection far run x",
    "env CONTAINER_HOST=ssh://far podman run x",
    "podman compose up",
    "machinectl start x",
    "systemd-run sleep 1",
)
INSIDE = (
    "podman run --network host x",
    "podman start x",
    "docker run --network none x",
    "docker ps",
    "docker pull x",
    "rsync docker run",
    "timeout 60 sleep 1",
    "systemd-run --scope sleep 1",
    "systemd-nspawn -D /srv/x",
    "transmission-daemon -f",
)


def starts_elsewhere(command: str) -> bool:
    script = 'source "$1"; shift; read -ra words <<<"$*"; starts_elsewhere vpn "${words[@]}"'
    return subprocess.run(["bash", "-c", script, "ask", CONFINED, command], check=False).returncode == 0


@pytest.mark.parametrize("command", ELSEWHERE)
def test_a_client_of_a_daemon_starts_its_program_elsewhere(command: str) -> None:
    assert shlex.split(command)
    assert starts_elsewhere(command)


@pytest.mark.parametrize("command", INSIDE)
def test_other_commands_run_where_they_are_started(command: str) -> None:
    assert not starts_elsewhere(command)
