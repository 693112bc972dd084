"""`netc bundle`"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Annotated

import typer

from netc.cli.edit import refuse_strangers, replace
from netc.cli.options import Topo
from netc.cli.printer import say
from netc.cli.topology import host_of, understood, wrong_use

Key = Annotated[
    Path | None,
    typer.Option("--key", metavar="SSHKEY", help="Sign with this key. A .pub file: sign with the ssh agent."),
]


def bundle(
    topo: Topo,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="The folder for the bundles.")],
    host: Annotated[str | None, typer.Option(metavar="H", help="Compile only this host.")] = None,
    key: Key = None,
) -> None:
    """Compile TOPO into one file for each host, DIR/H.tar.gz, which `netc-host install` takes.

    With a key, also write the signature DIR/H.tar.gz.sig.
    """
    from netc.emit.bundle import bundle as packed
    from netc.pipeline import compile_hosts

    network = understood(topo).network
    only = host_of(host, network) if host else None
    made = [(f"{name}.tar.gz", packed(files)) for name, files in compile_hosts(network, only)]
    signed = [(f"{name}.sig", signature(data, key)) for name, data in made] if key else []
    try:
        refuse_strangers(out)
        out.mkdir(parents=True, exist_ok=True)
        for name, data in made:
            # Whatever is beside it may be of another content, and is never to be taken for this one's.
            (out / f"{name}.sig").unlink(missing_ok=True)
            replace(out / name, data)
        for name, data in signed:
            replace(out / name, data)
    except OSError as error:
        raise wrong_use(f"cannot write {error.filename or out}: {error.strerror}") from None
    say(f"{out}: {len(made)} written, {f'signed with {key}' if key else 'not signed'}")


def signature(data: bytes, key: Path) -> bytes:
    """A detached signature in the namespace `netc`, by ssh-keygen, which asks for a passphrase itself."""
    if not key.is_file():
        raise wrong_use(f"{key} is not a key file")
    sign = ["ssh-keygen", "-q", "-Y", "sign", "-n", "netc", "-f", str(key)]
    try:
        done = subprocess.run(sign, input=data, capture_output=True, check=False)
    except OSError as error:
        raise wrong_use(f"cannot start ssh-keygen: {error.strerror}") from None
    if done.returncode != 0:
        raise wrong_use(f"ssh-keygen cannot sign with {key}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout

