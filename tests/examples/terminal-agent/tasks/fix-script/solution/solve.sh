#!/bin/bash
sed -i 's/total=$number/total=$((total + number))/' sum.sh
