"""Waiting for a program to listen."""

import socket
import subprocess
import time

PATIENCE = 20.0
"""Seconds a program gets to start, and to end."""


def listens(process: subprocess.Popen[bytes], port: int) -> bool:
    """Whether ``process`` takes connections on ``port`` of loopback in time; it is ended where it does not."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.01)
        else:
            return True
    process.kill()
    process.wait(PATIENCE)
    return False
