"""Prepare the demo and serve it until Ctrl-C: `python -m scripts.serve_demo PORT`."""

import os
import socket
import subprocess
import sys
from typing import Any

import uvicorn

HOST = "127.0.0.1"


def main(port: str) -> int:
    """Claim the port, prepare the demo and serve it. A port in use is reported first."""
    with claim(port, "demo") as listener:
        failed = prepare(port)
        if not failed:
            serve(listener)
        return failed


def claim(port: str, command: str) -> socket.socket:
    """Listen on `port`, or exit and say why that is not possible."""
    try:
        return socket.create_server((HOST, int(port)))
    except (OSError, OverflowError, ValueError) as error:
        sys.exit(f"Port {port} cannot be used ({error}). Try another one: make {command} PORT=8001")


def prepare(port: str) -> int:
    """Set up the demo and print its address and log-ins. Return 0 if that succeeded."""
    setup = [sys.executable, "demo/manage.py", "demo_setup"]
    return subprocess.call(setup, env=os.environ | {"PORT": port})


def serve(listener: socket.socket, **options: Any) -> None:
    """Serve until Ctrl-C. Open connections then have three seconds to end."""
    config = uvicorn.Config(
        "demo.asgi:application", ws="websockets-sansio", timeout_graceful_shutdown=3, **options
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1]))
    except KeyboardInterrupt:  # the normal end
        sys.exit(0)
