"""Brings a topology up on one machine: hosts as namespaces, an internet, and stand-ins for everybody else."""
