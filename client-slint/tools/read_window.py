#!/usr/bin/python3
"""Reads a window aloud: prints what a screen reader finds in it, whenever that changes.

Usage: read_window.py PROGRAM

One line of JSON for each change: the list of [role, name, description] of everything in the windows of
PROGRAM, in reading order. Needs a session bus with at-spi-bus-launcher; tells the desktop that a screen
reader is there, since programs build no tree for nobody.
"""

import json
import sys
import time

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi, Gio, GLib  # noqa: E402

PAUSE_SECONDS = 0.03


def announce_screen_reader():
    bus = Gio.bus_get_sync(Gio.BusType.SESSION, None)
    value = GLib.Variant("(ssv)", ("org.a11y.Status", "ScreenReaderEnabled", GLib.Variant("b", True)))
    bus.call_sync(
        "org.a11y.Bus", "/org/a11y/bus", "org.freedesktop.DBus.Properties", "Set",
        value, None, Gio.DBusCallFlags.NONE, 10_000, None,
    )


def applications(program):
    desktop = Atspi.get_desktop(0)
    for index in range(desktop.get_child_count()):
        child = desktop.get_child_at_index(index)
        if child is not None and program in (child.get_name() or ""):
            yield child


def read(node):
    """Everything below a node. Parts that vanish while being read are left out."""
    try:
        yield [node.get_role_name(), node.get_name() or "", node.get_description() or ""]
        children = [node.get_child_at_index(i) for i in range(node.get_child_count())]
    except GLib.Error:
        return
    for child in children:
        if child is not None:
            yield from read(child)


def main():
    program = sys.argv[1]
    announce_screen_reader()
    Atspi.init()
    # What is cached may be old; every look goes to the program.
    Atspi.set_timeout(2_000, 5_000)
    # The first look starts the registry of programs; one that comes before it would stay unheard of. It is told even if
    # there is nothing to see, so that whoever waits for this knows that programs may start.
    last = None
    while True:
        desktop = Atspi.get_desktop(0)
        desktop.clear_cache()
        words = []
        for application in applications(program):
            application.clear_cache()
            words.extend(read(application))
        if words != last:
            print(json.dumps(words), flush=True)
            last = words
        time.sleep(PAUSE_SECONDS)


try:
    main()
except (BrokenPipeError, KeyboardInterrupt):
    sys.exit(0)
