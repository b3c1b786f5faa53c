#!/bin/sh
# Draws the golden pictures and docs/screenshots/ anew. Needs no display: the window draws into memory.
# Look at what changed before you commit it: `git diff --stat -- '*.png'`.
set -eu
cd "$(dirname "$0")/../.."
UPDATE_GOLDEN=1 exec cargo test --quiet -p herenow-desktop --test golden --test app_icon
