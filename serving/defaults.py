"""Where the server listens and how long it waits, unless it is told otherwise.

This module imports nothing, so that a command line can name the values before anything heavy loads.
"""

HOST = "127.0.0.1"  # reachable from this machine alone
PORT = 8500  # gRPC, as TensorFlow Serving
TARGET = f"{HOST}:{PORT}"
POLL_INTERVAL_S = 1.0  # between two looks for new versions
GRACE_S = 10.0  # for running requests to end, once the server is told to stop
