#!/bin/bash
awk '{ print $NF "\t" $0 }' people.txt | sort -s -t $'\t' -k1,1 | cut -f2- > sorted.txt
