"""Runs the server as a child, hands SIGTERM on, and exits as it does."""

import signal
import subprocess
import sys

server = subprocess.Popen(sys.argv[1:])
signal.signal(signal.SIGTERM, lambda *_: server.terminate())
signal.signal(signal.SIGINT, lambda *_: server.terminate())
sys.exit(abs(server.wait()))
