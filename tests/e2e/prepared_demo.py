"""Serve the demo with a database that is prepared: `python -m tests.e2e.prepared_demo PORT`."""

import sys

from scripts.serve_demo import claim, serve

if __name__ == "__main__":
    serve(claim(sys.argv[1], "demo"))
