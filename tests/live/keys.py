"""The private halves of the keys in examples/: anybody can compute them, and nobody should use them."""

import base64
import subprocess
from hashlib import sha256


def private_key(name: str) -> str:
    """The WireGuard private key that an example's public key was made from."""
    return base64.b64encode(sha256(f"netc example key of {name}".encode()).digest()).decode()


def public_key(private: str) -> str:
    return subprocess.run(["wg", "pubkey"], input=private, capture_output=True, text=True, check=True).stdout.strip()
