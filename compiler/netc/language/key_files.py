"""Where a host keeps its keys, unless the author names another place: the one module that knows the folder."""

from netc.language.names import HostPath

FOLDER = "/etc/netc/keys"
"""Root's alone on the host. Removing netc from a host leaves it there."""


def key_file(name: str) -> HostPath:
    """The file of that name in the folder, as in `home.key`; raises Wrong for a name that no path can have."""
    return HostPath(f"{FOLDER}/{name}")
