"""`netc lab --export containerlab`: what containerlab takes, by its own schema and rules, and what is in no file."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from examples import EXAMPLES, OUT, ROOT, netc
from netc.cli.files import beside
from netc.lab.agent import VERBS
from netc.lab.stand_ins import private_key
from netc.lab.up import prepare
from netc.pipeline import understand

SCHEMA = json.loads((Path(__file__).parent / "containerlab" / "clab.schema.json").read_text())
CONTAINER = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9-._]+")
"""Of nodes/default_node.go, which no schema has."""
SLIM = ROOT / "examples" / "slim-edge.toml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "lab"


def exported(topology: Path, folder: Path, *options: str) -> dict[str, Any]:
    """What containerlab reads."""
    done = netc("lab", topology, "--export", "containerlab", folder, *options)
    assert done.code == 0, done.err
    read: dict[str, Any] = yaml.safe_load((folder / "topology.clab.yml").read_text())
    return read


def texts(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_containerlab_takes_every_example(example: Path, folder: Path) -> None:
    topology = exported(example, folder)
    nodes, name = topology["topology"]["nodes"], topology["name"]
    ends = [end.split(":") for link in topology["topology"]["links"] for end in link["endpoints"]]

    assert [error.message for error in Draft7Validator(SCHEMA).iter_errors(topology)] == []
    assert all(CONTAINER.fullmatch(f"clab-{name}-{node}") and len(node) < 64 for node in nodes)
    assert {node for node, _ in ends} <= set(nodes)
    assert all(len(interface) <= 15 and not set(" /") & set(interface) for _, interface in ends)
    assert len({tuple(end) for end in ends}) == len(ends)
    assert topology["topology"]["defaults"]["network-mode"] == "none", "without it, eth0 is containerlab's"
    assert all(len(link["endpoints"]) == 2 and link["mtu"] for link in topology["topology"]["links"])


def test_the_schema_finds_what_is_wrong() -> None:
    wrong = {"name": "two words", "topology": {"nodes": {"a": {"kind": "linux", "no-such-key": 1}}}}

    assert len(list(Draft7Validator(SCHEMA).iter_errors(wrong))) == 2


def test_hosts_have_the_files_of_a_build_but_for_public_keys(folder: Path) -> None:
    exported(SLIM, folder)
    there, built = texts(folder / "trees"), texts(OUT / "slim-edge")
    key = re.compile(r"[A-Za-z0-9+/]{43}=")
    differ = {path for path in built if built[path] != there.get(path) and not path.endswith("MANIFEST")}

    assert there.keys() == {path for path in built if not path.startswith(".")}
    assert {path for path in differ if not key.search(built[path])} <= {".gitattributes"}
    assert all(key.sub("", built[path]) == key.sub("", there[path]) for path in differ if path in there)
    assert any("wireguard" in path for path in differ)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_no_private_key_is_in_any_file(example: Path, folder: Path) -> None:
    exported(example, folder)
    text, starts = ("\n".join(texts(place).values()) for place in (folder, folder / "start"))
    names = [shlex.split(line)[2] for line in re.findall(r"(?m)^secret .*$", starts)]
    names += re.findall(r"\$\(key '([^']*)'\)", starts)
    made = prepare(understand(example.read_text(), str(example), beside(example)).network, elsewhere=True).staged

    assert names or example.stem == "uplinks"
    assert not [name for name in names if private_key(name) in text]
    assert not [key for key in made.private.values() if key in text]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_shellcheck_finds_nothing_in_what_containers_run(example: Path, folder: Path) -> None:
    exported(example, folder)
    starts = sorted((folder / "start").iterdir())
    tool = [Path(sys.executable).with_name("shellcheck"), "--shell=bash", "--severity=warning"]
    done = subprocess.run([*tool, folder / "netc-lab", *starts], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_image_has_what_the_containers_run(folder: Path) -> None:
    exported(SLIM, folder)
    lines = (folder / "Dockerfile").read_text().splitlines()
    copied = [line.split()[1] for line in lines if line.startswith("COPY")]

    assert all((folder / name).exists() for name in copied)
    assert {path.name for path in folder.iterdir()} - set(copied) == {"Dockerfile", "README.md", "topology.clab.yml"}
    assert {"watch", "ask"} <= set(VERBS)


def test_the_image_is_the_system_of_the_host(tmp_path: Path, folder: Path) -> None:
    text = SLIM.read_text().replace("id = 1\n", 'id = 1\ntarget = { base = "debian-13", bird = "3.1" }\n')
    (tmp_path / "topo.toml").write_text(text)
    nodes = exported(tmp_path / "topo.toml", folder)["topology"]["nodes"]
    said = (folder / "README.md").read_text()

    assert nodes["edge1"]["image"] == "netc-lab/slim-edge:debian-13-bird3"
    assert nodes["node"]["image"] == "netc-lab/slim-edge:debian-12"
    assert "-t netc-lab/slim-edge:debian-13-bird3 --build-arg BASE=debian:13-slim --build-arg BIRD=bird3 ." in said
    assert "-t netc-lab/slim-edge:debian-12 --build-arg BASE=debian:12-slim --build-arg BIRD=bird2 ." in said


def test_readme_has_a_packet_of_each_promise(folder: Path) -> None:
    exported(SLIM, folder)
    said = (folder / "README.md").read_text()

    assert said.count("docker exec clab-slim-edge-") == SLIM.read_text().count("[[expect]]")
    assert "docker exec clab-slim-edge-internet netc-lab visit 1.0.0.0 198.51.100.10 80/tcp" in said
    assert "on paper it arrives at node, source kept, answered" in said
    assert "private keys are the lab's own" in said


def test_readme_names_tunnels_that_only_a_kernel_makes(folder: Path) -> None:
    exported(ROOT / "examples" / "dn42.toml", folder)
    assert "- the machine's kernel needs tunnels of kind gre\n" in (folder / "README.md").read_text()


def test_an_export_replaces_an_earlier_one_and_nothing_else(tmp_path: Path, folder: Path) -> None:
    exported(SLIM, folder)
    first = texts(folder)
    (folder / "clab-slim-edge").mkdir()
    (folder / "clab-slim-edge" / "mine").touch()
    exported(SLIM, folder, "--host", "edge1")
    assert [path.name for path in (folder / "trees").iterdir()] == ["edge1"]
    exported(SLIM, folder)
    assert texts(folder) == first | {"clab-slim-edge/mine": ""}

    (tmp_path / "home" / "trees").mkdir(parents=True)
    done = netc("lab", SLIM, "--export", "containerlab", tmp_path / "home")
    assert done.code == 2
    assert "is not empty" in done.err
    assert list((tmp_path / "home").iterdir()) == [tmp_path / "home" / "trees"]


def test_an_export_brings_nothing_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*words: object, **_: object) -> None:
        raise AssertionError(f"it runs {words}")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    exported(SLIM, folder)
    done = netc("lab", SLIM, "test", "--export", "containerlab", folder)

    assert done.code == 2
    assert "an export runs no `test`" in done.err


def test_there_is_one_form(folder: Path) -> None:
    done = netc("lab", SLIM, "--export", "netlab", folder)

    assert done.code == 2
    assert "netc exports no lab for 'netlab'" in done.err
    assert not folder.exists()
