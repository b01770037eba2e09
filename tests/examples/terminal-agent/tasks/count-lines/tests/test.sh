#!/bin/bash
# The verdict is the number in reward.txt; the exit code decides nothing.
if [[ "$(tr -d '[:space:]' < <(cat count.txt 2> /dev/null))" == 3 ]]; then reward=1 status=passed; else reward=0 status=failed; fi
echo "$reward" > /logs/verifier/reward.txt
echo "{\"results\": {\"tests\": [{\"name\": \"count\", \"status\": \"$status\"}]}}" > /logs/verifier/ctrf.json
