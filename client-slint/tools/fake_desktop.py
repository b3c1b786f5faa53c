#!/usr/bin/python3
"""Stands in for a desktop in tests: notifications, a tray, a screen saver and a login session, on one bus.

Prints one line of JSON for each thing that happens:
    {"event": "ready"}
    {"event": "notify", "id": ID, "replaces": ID, "summary": ..., "body": ..., "actions": [...]}
    {"event": "close", "id": ID}
    {"event": "tray", "title": ..., "tooltip": ..., "icon": HASH, "menu": [[LABEL, ENABLED], ...]}
    {"event": "gone"}                          the tray icon went away

Reads one command from each line of its input:
    invoke ID        clicks on a notification
    menu LABEL       clicks on the entry of the tray's menu that begins so
    activate         clicks on the tray icon
    host yes|no      the place for tray icons comes or goes
    saver yes|no     the screen saver locks or unlocks the screen
    login Lock|Unlock   the login session is locked or unlocked
"""

import hashlib
import json
import os
import sys

import dbus
import dbus.service
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

WATCHER = "org.kde.StatusNotifierWatcher"
ITEM = "org.kde.StatusNotifierItem"
MENU = "com.canonical.dbusmenu"
PROPERTIES = "org.freedesktop.DBus.Properties"
NOTIFICATIONS = "org.freedesktop.Notifications"
SAVER = "org.freedesktop.ScreenSaver"
LOGIN = "org.freedesktop.login1"
SESSION = "/org/freedesktop/login1/session/c1"


def say(event, **more):
    print(json.dumps({"event": event, **more}), flush=True)


class Notifications(dbus.service.Object):
    last = 0

    @dbus.service.method(NOTIFICATIONS, in_signature="susssasa{sv}i", out_signature="u")
    def Notify(self, app, replaces, icon, summary, body, actions, hints, timeout):
        if not replaces:
            self.last += 1
        shown = int(replaces) or self.last
        say("notify", id=shown, replaces=int(replaces), summary=str(summary), body=str(body),
            actions=[str(action) for action in actions])
        return dbus.UInt32(shown)

    @dbus.service.method(NOTIFICATIONS, in_signature="u")
    def CloseNotification(self, shown):
        say("close", id=int(shown))
        self.NotificationClosed(shown, 3)

    @dbus.service.method(NOTIFICATIONS, out_signature="as")
    def GetCapabilities(self):
        return ["body", "actions"]

    @dbus.service.method(NOTIFICATIONS, out_signature="ssss")
    def GetServerInformation(self):
        return ("fake", "herenow tests", "1", "1.2")

    @dbus.service.signal(NOTIFICATIONS, signature="us")
    def ActionInvoked(self, shown, action):
        pass

    @dbus.service.signal(NOTIFICATIONS, signature="uu")
    def NotificationClosed(self, shown, reason):
        pass


class Watcher(dbus.service.Object):
    """The watcher of status notifier items, and the host that shows them."""

    host = True
    item = None
    last = None

    @dbus.service.method(WATCHER, in_signature="s", sender_keyword="sender")
    def RegisterStatusNotifierItem(self, service, sender=None):
        # A path alone means the sender's own name.
        self.item = sender if service.startswith("/") else str(service)
        for signal in ("NewIcon", "NewToolTip", "NewTitle", "LayoutUpdated", "ItemsPropertiesUpdated"):
            bus.add_signal_receiver(self.changed, signal, bus_name=self.item)
        bus.watch_name_owner(self.item, self.owned)
        self.changed()

    @dbus.service.method(WATCHER, in_signature="s")
    def RegisterStatusNotifierHost(self, service):
        pass

    @dbus.service.method(PROPERTIES, in_signature="ss", out_signature="v")
    def Get(self, interface, name):
        return self.GetAll(interface)[name]

    @dbus.service.method(PROPERTIES, in_signature="s", out_signature="a{sv}")
    def GetAll(self, interface):
        return {
            "IsStatusNotifierHostRegistered": dbus.Boolean(self.host),
            "ProtocolVersion": dbus.Int32(0),
            "RegisteredStatusNotifierItems": dbus.Array([self.item] if self.item else [], signature="s"),
        }

    @dbus.service.signal(WATCHER, signature="")
    def StatusNotifierHostRegistered(self):
        pass

    @dbus.service.signal(WATCHER, signature="")
    def StatusNotifierHostUnregistered(self):
        pass

    def owned(self, owner):
        if not owner and self.item:
            self.item = self.last = None
            say("gone")

    def changed(self, *_):
        # Several changes come at once; what is read after them is what counts.
        GLib.timeout_add(50, self.read)

    def read(self):
        if self.item is None:
            return False
        try:
            shown = self.shown()
        except dbus.DBusException:
            return False
        if shown != self.last:
            self.last = shown
            say("tray", **shown)
        return False

    def shown(self):
        found = self.properties()
        pixels = hashlib.sha256()
        for width, height, data in found.get("IconPixmap", []):
            pixels.update(bytes(data))
        menu = [[entry["label"], entry["enabled"]] for entry in self.entries() if entry["label"]]
        return {"title": str(found["Title"]), "tooltip": str(found["ToolTip"][2]), "icon": pixels.hexdigest(),
                "menu": menu}

    def properties(self):
        item = bus.get_object(self.item, "/StatusNotifierItem")
        return dbus.Interface(item, PROPERTIES).GetAll(ITEM)

    def menu(self):
        return dbus.Interface(bus.get_object(self.item, self.properties()["Menu"]), MENU)

    def entries(self):
        _, root = self.menu().GetLayout(0, -1, [])
        for number, properties, _ in root[2]:
            yield {"id": int(number), "label": str(properties.get("label", "")),
                   "enabled": bool(properties.get("enabled", True))}

    def click(self, label):
        for entry in self.entries():
            if entry["label"].startswith(label):
                self.menu().Event(dbus.Int32(entry["id"]), "clicked", dbus.Int32(0), dbus.UInt32(0))
                return
        raise SystemExit(f"no menu entry {label!r}")

    def activate(self):
        dbus.Interface(bus.get_object(self.item, "/StatusNotifierItem"), ITEM).Activate(0, 0)

    def set_host(self, there):
        self.host = there
        (self.StatusNotifierHostRegistered if there else self.StatusNotifierHostUnregistered)()


class Saver(dbus.service.Object):
    @dbus.service.signal(SAVER, signature="b")
    def ActiveChanged(self, active):
        pass


class Logins(dbus.service.Object):
    @dbus.service.method(LOGIN + ".Manager", in_signature="s", out_signature="o")
    def GetSession(self, name):
        return dbus.ObjectPath(SESSION)


class Login(dbus.service.Object):
    @dbus.service.signal(LOGIN + ".Session", signature="")
    def Lock(self):
        pass

    @dbus.service.signal(LOGIN + ".Session", signature="")
    def Unlock(self):
        pass


def obey(line):
    what, _, rest = line.partition(" ")
    if what == "invoke":
        notifications.ActionInvoked(dbus.UInt32(int(rest)), "default")
    elif what == "menu":
        watcher.click(rest)
    elif what == "activate":
        watcher.activate()
    elif what == "host":
        watcher.set_host(rest == "yes")
    elif what == "saver":
        saver.ActiveChanged(rest == "yes")
    elif what == "login":
        getattr(login, rest)()
    else:
        raise SystemExit(f"no command {line!r}")


def read_commands(source, _condition):
    """Reads what is there, and obeys the lines that are whole."""
    global unread
    read = os.read(source, 4_096)
    if not read:
        loop.quit()
        return False
    *lines, unread = (unread + read).split(b"\n")
    for line in lines:
        obey(line.decode().strip())
    return True


unread = b""
DBusGMainLoop(set_as_default=True)
bus = dbus.SessionBus()
names = [dbus.service.BusName(name, bus) for name in (NOTIFICATIONS, WATCHER, SAVER, LOGIN)]
notifications = Notifications(bus, "/org/freedesktop/Notifications")
watcher = Watcher(bus, "/StatusNotifierWatcher")
saver = Saver(bus, "/org/freedesktop/ScreenSaver")
logins = Logins(bus, "/org/freedesktop/login1")
login = Login(bus, SESSION)
GLib.io_add_watch(sys.stdin.fileno(), GLib.PRIORITY_DEFAULT, GLib.IO_IN | GLib.IO_HUP, read_commands)
say("ready")
loop = GLib.MainLoop()
loop.run()
