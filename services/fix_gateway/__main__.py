"""``python -m services.fix_gateway``"""

import sys
from importlib.util import find_spec

from services.fix_gateway.settings import FixSettings
from shared.contracts.operations import FIX
from shared.service import run
from shared.settings import load

settings = load(FixSettings)
if find_spec("quickfix") is None:
    print(
        "FIX_GATEWAY: quickfix is not installed here; `make fix` compiles it in a minute.",
        file=sys.stderr,
    )
    sys.exit(2)

from services.fix_gateway.app import create_app  # noqa: E402 - only where there is an engine

run(FIX, lambda: create_app(settings), settings)
