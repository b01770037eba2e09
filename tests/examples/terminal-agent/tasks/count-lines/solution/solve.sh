#!/bin/bash
tail -n +2 data.csv | grep -c . > count.txt
