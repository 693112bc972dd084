"""Copies bundles to hosts, installs and confirms them, or waits for the rollback. Nothing else connects to hosts."""
