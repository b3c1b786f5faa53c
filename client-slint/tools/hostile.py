#!/usr/bin/python3
"""Measures what a server that means harm can do to the desktop program.

Usage: hostile.py SERVER PROGRAM [SECONDS]

SERVER is the example `hostile_server` of the client, PROGRAM is the desktop program, both built for release:

    cargo build --release -p herenow-client --example hostile_server
    cargo build --release -p herenow-desktop
    client-slint/tools/hostile.py target/release/examples/hostile_server target/release/herenow-desktop

For each kind of harm the program runs for SECONDS (20 unless told) in a window under Xvfb, signed in to the server. Prints
a row of a table for each:

    the most memory that it had resident (VmHWM) and that over the harmless server, in MB (10^6 bytes)
    the longest time for which the window's thread worked without waiting, in milliseconds of its own processor time: a
        frame, or an event, cannot have taken longer than that, whatever else the machine did meanwhile
    the shortest time from the end of a connection to the next one, in milliseconds, as the server saw it
"""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

MODES = ("empty", "crowd", "stuffed", "churn", "nonsense", "goodbye")
LOOK_SECONDS = 0.002
MEGABYTE = 1e6


class Stretches(threading.Thread):
    """Follows the main thread of a process: how long it works between two waits."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.task = f"/proc/{pid}/task/{pid}"
        self.longest = 0
        self.ended = False

    def run(self):
        waits, begin = None, 0
        while not self.ended:
            try:
                with open(self.task + "/schedstat") as file:
                    worked = int(file.read().split()[0])
                with open(self.task + "/status") as file:
                    now_waits = int(re.search(r"\nvoluntary_ctxt_switches:\s*(\d+)", file.read())[1])
            except (OSError, IndexError, TypeError):
                return
            if now_waits != waits:
                waits, begin = now_waits, worked
            else:
                self.longest = max(self.longest, worked - begin)
            time.sleep(LOOK_SECONDS)


def memory(pid):
    with open(f"/proc/{pid}/status") as file:
        return int(re.search(r"VmHWM:\s*(\d+)", file.read())[1]) * 1024


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def measure(server, program, mode, seconds, display, home):
    address = f"127.0.0.1:{free_port()}"
    environment = {**os.environ, "DISPLAY": display, "HOME": home, "XDG_STATE_HOME": home, "XDG_RUNTIME_DIR": home,
                   "XDG_CONFIG_HOME": home, "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent/bus"}
    environment.pop("WAYLAND_DISPLAY", None)
    serving = subprocess.Popen([server, address, mode], stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(0.3)
        window = subprocess.Popen([program, "--server", address, "--name", "Ada"], env=environment,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            # Not the start of the program, which is measured elsewhere.
            time.sleep(1)
            stretches = Stretches(window.pid)
            stretches.start()
            time.sleep(seconds)
            if window.poll() is not None:
                raise SystemExit(f"{mode}: the program ended with {window.returncode}")
            resident, stretches.ended = memory(window.pid), True
        finally:
            window.send_signal(signal.SIGKILL)
            window.wait()
    finally:
        serving.kill()
        told = serving.communicate()[0]
    gaps = [float(gap) for gap in re.findall(r"connection after (-?[\d.]+) ms", told)]
    return resident, stretches.longest / 1e6, [gap for gap in gaps if gap >= 0]


def main():
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    server, program = sys.argv[1:3]
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 20
    xvfb = subprocess.Popen(["Xvfb", "-displayfd", "1", "-screen", "0", "800x800x24", "-nolisten", "tcp"],
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        display = ":" + xvfb.stdout.readline().strip()
        print("| server | resident MB | over idle MB | longest work ms | connections | shortest gap ms |")
        print("|---|---:|---:|---:|---:|---:|")
        idle = None
        for mode in MODES:
            with tempfile.TemporaryDirectory() as home:
                resident, longest, gaps = measure(server, program, mode, seconds, display, home)
            idle = resident if idle is None else idle
            gap = f"{min(gaps):.0f}" if gaps else ""
            over = (resident - idle) / MEGABYTE
            print(f"| {mode} | {resident / MEGABYTE:.1f} | {over:.1f} | {longest:.1f} | {len(gaps) + 1} | {gap} |",
                  flush=True)
    finally:
        xvfb.kill()
        xvfb.wait()


if __name__ == "__main__":
    main()
