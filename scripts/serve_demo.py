"""Prepare the demo and serve it until Ctrl-C: `python -m scripts.serve_demo PORT`."""

import os
import socket
import subprocess
import sys

import uvicorn

HOST = "127.0.0.1"


def main(port: str) -> int:
    """Claim the port first: who cannot have it is told before anything else happens."""
    try:
        listener = socket.create_server((HOST, int(port)))
    except (OSError, OverflowError, ValueError) as error:
        print(f"Port {port} cannot be used ({error}). Another one: make demo PORT=8001")
        return 1
    with listener:
        setup = [sys.executable, "demo/manage.py", "demo_setup"]  # prints address and log-ins
        failed = subprocess.call(setup, env=os.environ | {"PORT": port})
        if not failed:
            serve(listener)
        return failed


def serve(listener: socket.socket) -> None:
    """Serve until Ctrl-C; open connections then get three seconds to leave."""
    config = uvicorn.Config(
        "demo.asgi:application", ws="websockets-sansio", timeout_graceful_shutdown=3
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1]))
    except KeyboardInterrupt:  # the way out
        sys.exit(0)
