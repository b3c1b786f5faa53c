#!/usr/bin/env bash
# Installs the Debian package of the desktop program in a bare Debian, and starts it there.
#
#   client-slint/tools/check_deb.sh PACKAGE.deb HERENOW [SUITE]
#
# HERENOW is a built server program, which runs outside; SUITE is the Debian release, by default that of this machine.
# Needs root and `apt-get install mmdebstrap xvfb xdotool x11-utils x11-apps`; takes some minutes and about 400 MB in
# the folder for temporary files, which are removed whatever happens.
#
# Proved is that what the package depends on is enough: it is installed without what it only recommends, where nothing
# else is; the window opens with the name of its desktop file, signs in to a real server, and draws in many colours.
set -euo pipefail

[ $# -ge 2 ] || { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2; }
package=$(realpath "$1")
herenow=$(realpath "$2")
suite=${3:-$(. /etc/os-release && echo "$VERSION_CODENAME")}
[ "$(id -u)" -eq 0 ] || { echo "this needs root, to make a root folder of its own" >&2; exit 1; }

# In a mount namespace of its own: whatever is mounted below is gone with the last process.
if [ "${HERENOW_IN_NAMESPACE:-}" != yes ]; then
  export HERENOW_IN_NAMESPACE=yes
  exec unshare --mount --propagation private -- "$0" "$package" "$herenow" "$suite"
fi

work=$(mktemp -d -t herenow-deb-XXXXXX)
root=$work/root
started=()
clean_up() {
  for process in "${started[@]}"; do kill "$process" 2>/dev/null || true; done
  wait 2>/dev/null || true
  umount --recursive "$root/tmp/.X11-unix" "$root/proc" "$root/dev" 2>/dev/null || true
  # Never into something that is still mounted.
  rm -rf --one-file-system "$work"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

say() { printf '\n== %s\n' "$*"; }

# Waits until a command succeeds, for a minute at most.
wait_for() {
  local what=$1; shift
  for _ in $(seq 300); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    sleep 0.2
  done
  echo "FAILED: waited a minute for $what" >&2
  cat "$work"/*.log >&2 || true
  exit 1
}

say "a bare Debian $suite"
mmdebstrap --quiet --mode=root --variant=minbase "$suite" "$root" \
  "deb http://deb.debian.org/debian $suite main"
before=$(chroot "$root" dpkg-query -W -f '${Package}\n' | sort)

say "the package, without what it recommends"
cp "$package" "$root/var/cache/herenow-desktop.deb"
chroot "$root" apt-get update -q >"$work/update.log" 2>&1 || { cat "$work/update.log" >&2; exit 1; }
chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
  /var/cache/herenow-desktop.deb >"$work/install.log" 2>&1 || { cat "$work/install.log" >&2; exit 1; }
after=$(chroot "$root" dpkg-query -W -f '${Package}\n' | sort)
echo "installed: $(comm -13 <(echo "$before") <(echo "$after") | paste -sd ' ')"
chroot "$root" dpkg --verify herenow-desktop
chroot "$root" dpkg-query -W -f 'herenow-desktop takes ${Installed-Size} KB\n' herenow-desktop

say "files"
for file in usr/bin/herenow-desktop usr/share/applications/org.example.herenow.desktop \
  usr/share/metainfo/org.example.herenow.metainfo.xml usr/share/icons/hicolor/16x16/apps/org.example.herenow.png \
  usr/share/icons/hicolor/512x512/apps/org.example.herenow.png \
  usr/share/icons/hicolor/scalable/apps/org.example.herenow.svg usr/share/doc/herenow-desktop/copyright; do
  [ -s "$root/$file" ] || { echo "FAILED: no $file" >&2; exit 1; }
done
version=$(chroot "$root" herenow-desktop --version)
echo "$version"

say "the window"
# Outside of the new root, so that nothing of it is installed there.
Xvfb -displayfd 3 -screen 0 800x800x24 -nolisten tcp 3>"$work/display" >"$work/xvfb.log" 2>&1 &
started+=($!)
wait_for "an X server" test -s "$work/display"
DISPLAY=:$(tr -d '[:space:]' <"$work/display")
export DISPLAY
HOME=$work "$herenow" serve --listen 127.0.0.1:0 >"$work/server.log" 2>&1 &
started+=($!)
wait_for "a server" grep -q '^herenow listens on ' "$work/server.log"
server=$(sed -n 's/^herenow listens on //p' "$work/server.log")

mkdir -p "$root/tmp/.X11-unix"
mount --bind /tmp/.X11-unix "$root/tmp/.X11-unix"
mount -t proc proc "$root/proc"
chroot "$root" useradd --create-home ada
chroot --userspec=ada:ada "$root" env -i HOME=/home/ada PATH=/usr/bin:/bin "DISPLAY=$DISPLAY" \
  herenow-desktop --server "$server" --name Ada >"$work/window.log" 2>&1 &
started+=($!)

# The title says that the sign-in succeeded.
# Some letters of it are more than one byte, which xdotool may see in the locale that this runs in.
wait_for "a signed-in window" xdotool search --onlyvisible --name '^Ada .*herenow$'
window=$(xdotool search --onlyvisible --name '^Ada .*herenow$' | tail -1)
class=$(xprop -id "$window" WM_CLASS)
echo "$class"
case $class in
  *'"org.example.herenow"'*) ;;
  *) echo "FAILED: desktops find the icon by the class org.example.herenow" >&2; exit 1 ;;
esac

# A window that draws text has many shades; an empty one has one or two.
shades() { xwd -silent -id "$window" | tail -c 400000 | od -An -v -tx4 -w4 | sort -u | wc -l; }
draws() { [ "$(shades)" -gt 50 ]; }
wait_for "a window with text in it" draws
echo "drawn in $(shades) shades"
echo "it said: $(cat "$work/window.log")"

say "removed again"
kill "${started[2]}" 2>/dev/null || true
wait "${started[2]}" 2>/dev/null || true
chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get purge -y -q herenow-desktop >"$work/purge.log" 2>&1
left=$(cd "$root" && find usr etc -name '*herenow*' | head)
[ -z "$left" ] || { echo "FAILED: left behind: $left" >&2; exit 1; }

say "$version installs, starts, signs in, draws, and goes in a bare Debian $suite"
