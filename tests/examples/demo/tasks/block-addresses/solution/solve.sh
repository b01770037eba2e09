#!/bin/bash
set -e
zcat -f logs/auth.log* | awk '
    / Failed password for / { sub(/.* from /, ""); failed[$1]++ }
    / Accepted [a-z]+ for / { sub(/.* from /, ""); accepted[$1] = 1 }
    END { for (host in failed) if (15 <= failed[host] && !(host in accepted)) print host }
' | sort -t. -k1,1n -k2,2n -k3,3n -k4,4n > block.txt
