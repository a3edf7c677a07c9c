"""Prints a fresh Ed25519 key pair as two PEM blocks, private then public, with an empty line between."""

import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat


def main() -> None:
    """Write the pair to standard output."""
    key = Ed25519PrivateKey.generate()
    private_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public_pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    sys.stdout.write(f"{private_pem.strip()}\n\n{public_pem.strip()}\n")


if __name__ == "__main__":
    main()
