"""Brings bundles to hosts and sees that each is kept or has gone back: the only room that talks to hosts."""
