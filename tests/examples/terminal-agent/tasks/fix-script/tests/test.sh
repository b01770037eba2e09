#!/bin/bash
numbers="$(mktemp)"
printf '4\n8\n15\n' > "$numbers"
if [[ "$(bash sum.sh "$numbers" 2> /dev/null)" == 27 ]]; then reward=1 status=passed; else reward=0 status=failed; fi
echo "$reward" > /logs/verifier/reward.txt
echo "{\"results\": {\"tests\": [{\"name\": \"sum\", \"status\": \"$status\"}]}}" > /logs/verifier/ctrf.json
