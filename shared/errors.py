"""The two ways in which a request can fail that is not the fault of a bug."""

from collections.abc import Mapping


class Unavailable(Exception):
    """Something this service needs does not answer now: a database, Valkey, another service. Worth trying again.

    ``sent`` is False where it is certain that the request never got there.
    """

    def __init__(self, what: str, why: str = "", *, sent: bool = True) -> None:
        super().__init__(f"{what} is unavailable" + (f": {why}" if why else ""))
        self.what = what
        self.sent = sent


class Problem(Exception):
    """A request that is answered with ``application/problem+json`` (RFC 9457).

    ``code`` is stable and for programs, ``detail`` a sentence that tells a person what to do.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        figures: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})
        self.figures = dict(figures or {})
