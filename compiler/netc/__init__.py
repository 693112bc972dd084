"""netc compiles one topology file into what each host of a network runs.

    topo.toml ──read──▶ Topology ──resolve──▶ Network ──plan──▶ HostPlan ──emit──▶ Files ──write──▶ out/<host>/
                 Diagnostics            Diagnostics             Diagnostics             verify

Each arrow is a layer, each noun a frozen value. `pipeline.py` is this drawing as code.
"""

__version__ = "0.2.0"
