#!/usr/bin/python3
"""Reads a window aloud: prints what a screen reader finds in it and what it is told, as both happen.

Usage: read_window.py PROGRAM

One line of JSON each time: for a change, the list of [role, name, description, state] of everything in the windows
of PROGRAM, in reading order, where state is "focused" or empty; for an announcement of a live region, its words.
Needs a session bus with at-spi-bus-launcher; tells the desktop that a screen reader is there, since programs build
no tree for nobody.
"""

import json
import sys

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi, Gio, GLib  # noqa: E402

PAUSE_MS = 30


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
        focused = node.get_state_set().contains(Atspi.StateType.FOCUSED)
        state = "focused" if focused else ""
        yield [node.get_role_name(), node.get_name() or "", node.get_description() or "", state]
        children = [node.get_child_at_index(i) for i in range(node.get_child_count())]
    except GLib.Error:
        return
    for child in children:
        if child is not None:
            yield from read(child)


def tell(what):
    try:
        print(json.dumps(what), flush=True)
    except BrokenPipeError:
        # Nobody listens any more.
        sys.stderr.close()
        sys.exit(0)


class Look:
    """Looks at the windows of a program, and tells what is different from the last time."""

    def __init__(self, program):
        self.program = program
        self.last = None

    def again(self):
        # What is cached may be old; every look goes to the program.
        Atspi.get_desktop(0).clear_cache()
        words = []
        for application in applications(self.program):
            application.clear_cache()
            words.extend(read(application))
        if words != self.last:
            tell(words)
            self.last = words
        return True


def main():
    announce_screen_reader()
    Atspi.init()
    Atspi.set_timeout(2_000, 5_000)
    listener = Atspi.EventListener.new(lambda event: tell(str(event.any_data)))
    listener.register("object:announcement")
    # The first look starts the registry of programs; one that comes before it would stay unheard of. It is told even if
    # there is nothing to see, so that whoever waits for this knows that programs may start.
    look = Look(sys.argv[1])
    look.again()
    GLib.timeout_add(PAUSE_MS, look.again)
    Atspi.event_main()


try:
    main()
except KeyboardInterrupt:
    sys.exit(0)
