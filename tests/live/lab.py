"""The lab of netc, as tests have it: hosts whose state can be compared, and that may have another BIRD."""

from pathlib import Path

from live.birds import give_bird
from live.state import PROBE, State, parsed
from netc.lab import machine
from netc.lab.machine import ENVIRONMENT, Switch

__all__ = ["ENVIRONMENT", "Host", "Lab", "Switch"]


class Host(machine.Host):
    def state(self) -> State:
        """What a script can leave behind, normalised: equal when nothing that matters differs."""
        return parsed(self.run(["bash", "-c", PROBE, "state"]).stdout)


class Lab(machine.Lab):
    def host(self, name: str, files: Path | None = None) -> Host:
        host = Host(name, self)
        self.boot(host)
        give_bird(host)
        if files is not None:
            host.lay(files)
        return host
