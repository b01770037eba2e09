#!/bin/bash
cd shop
fix="$(git rev-list --grep='^Fix totals' --max-count=1 next)"
git -c user.name=demo -c user.email=demo@localhost cherry-pick "$fix" && exit 1
git checkout --quiet --ours total.awk
sed -i -e 's/%d/%.2f/' -e '/^{ total/i /^#/ { next }' total.awk
git add total.awk
git -c user.name=demo -c user.email=demo@localhost -c core.editor=true cherry-pick --continue
