#!/bin/sh
# Draws docs/screenshots/*.png anew. Needs no display: the window draws into memory.
set -eu
cd "$(dirname "$0")/../.."
exec cargo run --quiet -p herenow-desktop --example screenshots -- docs/screenshots
