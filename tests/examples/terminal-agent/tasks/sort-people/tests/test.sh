#!/bin/bash
expected=$'Di Abbot\nAnn Miller\nBo Young\nCy Young'
if [[ "$(cat sorted.txt 2> /dev/null)" == "$expected" ]]; then reward=1 status=passed; else reward=0 status=failed; fi
echo "$reward" > /logs/verifier/reward.txt
echo "{\"results\": {\"tests\": [{\"name\": \"order\", \"status\": \"$status\"}]}}" > /logs/verifier/ctrf.json
