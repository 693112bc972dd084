"""`metrics`: where a host writes what Prometheus reads."""

from __future__ import annotations

from netc.language.names import Name, Wrong

OF_NETC = ("/etc/netc/", "/run/netc/", "/run/netc-run/", "/usr/lib/netc/", "/var/lib/netc/")
"""Folders on a host that are netc's own."""


class MetricsPath(Name):
    """A file that node_exporter reads, which takes those that end in `.prom`."""

    pattern = r"(/[A-Za-z0-9_.+@=:-]{1,100}){1,19}/[A-Za-z0-9_.+@=:-]{1,95}\.prom"
    code = "NC0114"
    noun = "the path of a file that ends in `.prom`"
    cure = 'write `metrics = "/var/lib/prometheus/node-exporter/netc.prom"`'

    def check(self) -> None:
        if "/../" in self or self.startswith(OF_NETC):
            what = "has `..` in it" if "/../" in self else "is in a folder of netc, which may remove it"
            raise Wrong(self.code, f"`{self}` {what}", self.cure)
