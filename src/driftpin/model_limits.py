"""Every maximum of asking models, beside those of everything else (`limits`)."""

from typing import Final

from driftpin.limits import KIB

# Asking models (models).
MODEL_RETRIES_MAX: Final = 4
MODEL_SCRIPT_BYTES_MAX: Final = 512 * KIB
# Bedrock's client has none of its own that suit, and blocks a thread for every wait.
MODEL_CONNECT_WAIT_S: Final = 60
MODEL_READ_WAIT_S: Final = 300
MODEL_THREADS_MAX: Final = 512

__all__ = [
    "MODEL_CONNECT_WAIT_S",
    "MODEL_READ_WAIT_S",
    "MODEL_RETRIES_MAX",
    "MODEL_SCRIPT_BYTES_MAX",
    "MODEL_THREADS_MAX",
]
