#!/bin/bash
set -e
work="$(mktemp -d)"
tar -C "$work" -xzf backups.tgz
mkdir restored
tar -C restored -xzf "$work/full.tar.gz"
ls "$work" | grep '^step-' | sort -t- -k2n | while read -r step; do
    tar -C restored -xf "$work/$step"
    if [[ -e restored/DELETED ]]; then
        while IFS= read -r path; do rm "restored/$path"; done < restored/DELETED
        rm restored/DELETED
    fi
done
rm -r "$work"
