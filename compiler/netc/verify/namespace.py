"""A network namespace for a judge's program, which ends with it."""

from __future__ import annotations

import os

from netc.verify import process

TO_ENABLE = (
    "To enable: run as root, or allow users to make namespaces (sysctl user.max_user_namespaces, "
    "kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns)"
)


def enter() -> tuple[str, ...] | process.Silence:
    """The command that puts another into an empty network namespace here, tried out once."""
    unshare = process.find("unshare")
    if unshare is None:
        return process.Silence("unshare is missing. To enable: apt-get install util-linux")
    as_root, as_user = (unshare, "--net", "--"), (unshare, "--map-root-user", "--net", "--")
    reason = ""
    # A root without CAP_SYS_ADMIN, as in a container, may still make a namespace as users do.
    for command in (as_root, as_user) if os.geteuid() == 0 else (as_user,):
        answer = process.ask((*command, process.find("true") or "true"))
        if isinstance(answer, process.Answer) and answer.status == 0:
            return command
        reason = answer.words if isinstance(answer, process.Answer) else answer.reason
    return process.Silence(f"{reason.strip()}\n{TO_ENABLE}")
