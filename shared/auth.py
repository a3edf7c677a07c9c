"""Who is calling a service: the exchange's own services show a credential, users never get this far.

Each service holds a secret of its own and knows only the SHA-256 of the others', so what leaks from one service does
not let anybody pose as another.
"""

import hashlib
import hmac
from collections.abc import Mapping


class ServiceCredentials:
    """Recognises services by the ``Authorization`` header of an internal call."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._keys = dict(keys)
        self._known: dict[str, str] = {}

    def caller(self, authorization: str) -> str | None:
        """The name of the service that sent this header, None for anybody else."""
        known = self._known.get(authorization)
        if known is not None:
            return known
        scheme, _, secret = authorization.partition(" ")
        if scheme != "Service" or not secret:
            return None
        digest = hashlib.sha256(secret.encode()).hexdigest()
        for name, key in self._keys.items():
            if hmac.compare_digest(key, digest):
                self._known[authorization] = name
                return name
        return None


def header(secret: str) -> str:
    """The ``Authorization`` header that shows a service's own credential."""
    return f"Service {secret}"
