"""README.md of an exported lab: how to start it, and a packet of each promise to try."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct


class Image(Struct, frozen=True, order=True):
    """A container image, and what its Dockerfile takes."""

    name: str
    base: str
    bird: str

    @property
    def build(self) -> str:
        return f"docker build -t {self.name} --build-arg BASE={self.base} --build-arg BIRD={self.bird} ."


class Try(Struct, frozen=True):
    """A promise, the command that sends a packet of it, and what paper says becomes of that."""

    promise: str
    command: str
    paper: str


def readme(name: str, images: Sequence[Image], tries: Sequence[Try], notes: Sequence[str]) -> str:
    return "\n".join([*_start(name, images), *_tries(name, tries), *_otherwise(notes), *_elsewhere()]) + "\n"


def _start(name: str, images: Sequence[Image]) -> Iterator[str]:
    yield f"# The network {name} as a lab of containerlab"
    yield ""
    yield "`netc lab TOPO --export containerlab DIR` made this folder: change the topology, and call it again."
    yield ""
    yield "```"
    yield from (image.build for image in images)
    yield "containerlab deploy -t topology.clab.yml"
    yield "containerlab destroy -t topology.clab.yml"
    yield "```"
    yield ""
    yield "Build again after each export: the images hold the hosts' files. `deploy` returns when all hosts are up. If"
    yield f"one does not come up, `docker logs clab-{name}-HOST` says why. A container that stopped has lost its"
    yield "interfaces: `containerlab deploy --reconfigure -t topology.clab.yml`."
    yield ""
    yield "The node `internet` is the other end of every uplink, and has every address that no host has."


def _tries(name: str, tries: Sequence[Try]) -> Iterator[str]:
    yield ""
    yield "## Try a promise"
    yield ""
    if not tries:
        yield "The topology promises nothing that a packet can try."
        return
    yield "Each command sends one packet, and prints `answered`, or `no answer` after 2.5 s. Every node answers at"
    yield f"the ports that promises dial. `docker logs clab-{name}-HOST` shows what a host got and from whom."
    yield "`netc lab TOPO test` tries a packet of every class, and `--while X fails` what has to survive."
    for one in tries:
        yield from ("", f"{' '.join(one.promise.split())}: on paper it {one.paper}.", "", "```", one.command, "```")


def _otherwise(notes: Sequence[str]) -> Iterator[str]:
    yield from ("", "## What is otherwise than on your hosts", "")
    yield from (f"- {note}" for note in notes)
    yield "- no private key is in this folder: a container makes its keys when it starts, from names in `start/`"
    yield "- nodes have no systemd: `netc-host run` does its work"
    yield "- containers are privileged, and have the kernel of the machine that they run on. If it has no WireGuard,"
    yield "  they use wireguard-go of the image"


def _elsewhere() -> Iterator[str]:
    yield from ("", "## Past one machine", "")
    yield "Push the images to a registry, write their names there into `topology.clab.yml`, and give the file to"
    yield "clabernetes (`clabverter`). No node has binds, so it needs nothing else. clabernetes calls a cable"
    yield "`HOST-INTERFACE`, which may have 15 characters."
