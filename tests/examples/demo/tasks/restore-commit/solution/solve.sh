#!/bin/bash
set -e
cd project
lost="$(git reflog --format='%H %gs' | grep 'commit: Add the table of rates' | cut -d' ' -f1)"
git -c user.name=demo -c user.email=demo@localhost cherry-pick "$lost"
