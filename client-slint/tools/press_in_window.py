#!/usr/bin/python3
"""Presses a button as a screen reader does: by its name, wherever it is.

Usage: press_in_window.py PROGRAM NAME

Ends with status 1 if there is no such button. Needs the same as read_window.py, which must be running.
"""

import sys

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi, GLib  # noqa: E402


def find(node, name):
    try:
        if node.get_name() == name and node.get_role_name() in ("push button", "button"):
            return node
        children = [node.get_child_at_index(i) for i in range(node.get_child_count())]
    except GLib.Error:
        return None
    found = (find(child, name) for child in children if child is not None)
    return next((node for node in found if node is not None), None)


def main():
    program, name = sys.argv[1:]
    Atspi.init()
    desktop = Atspi.get_desktop(0)
    for index in range(desktop.get_child_count()):
        child = desktop.get_child_at_index(index)
        if child is not None and program in (child.get_name() or ""):
            button = find(child, name)
            if button is not None:
                return 0 if button.do_action(0) else 1
    print(f"no button {name!r} in {program}", file=sys.stderr)
    return 1


sys.exit(main())
