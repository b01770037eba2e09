#!/bin/bash
set -e
work="$(mktemp -d)"
release="$work/press-1.4.2"
cp -r tool "$release"
find "$release" -mindepth 1 -name '.*' -prune -exec rm -r {} +
find "$release" -name '*.tmp' -type f -delete
find "$release" -type f -exec chmod 644 {} +
chmod 755 "$release"/bin/*
(cd "$release" && find . -type f ! -name SHA256SUMS | sed 's|^\./||' | LC_ALL=C sort | xargs -d '\n' sha256sum > "$work/sums")
install -m 644 "$work/sums" "$release/SHA256SUMS"
tar -C "$work" --owner=0 --group=0 --numeric-owner -czf press-1.4.2.tar.gz press-1.4.2
rm -r "$work"
