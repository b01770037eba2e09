set -e
plain='--sort=name --owner=0 --group=0 --numeric-owner'
umask 022
mkdir -p tree/docs tree/data backups
pack() {
    (cd tree && tar $plain --mtime='2024-01-01 00:00Z' -cf - -- *) > "backups/$1"
    rm -rf tree/*
}
printf 'name = depot\nversion = 1\n' > tree/settings.ini
printf 'How to load a van.\n' > tree/docs/loading.txt
printf 'Old prices.\n' > 'tree/docs/price list.txt'
printf 'a,1\nb,2\n' > tree/data/stock.csv
printf 'to be thrown away\n' > tree/data/scratch.tmp
printf '#!/bin/sh\necho depot\n' > tree/run.sh
chmod 755 tree/run.sh
pack full.tar && gzip -n backups/full.tar
mkdir -p tree/docs tree/data
printf 'name = depot\nversion = 2\n' > tree/settings.ini
printf 'a,1\nb,5\nc,9\n' > tree/data/stock.csv
printf 'data/scratch.tmp\n' > tree/DELETED
pack step-2.tar && gzip -n backups/step-2.tar
mkdir -p tree/docs
printf 'New prices.\n' > 'tree/docs/price list.txt'
printf 'docs/loading.txt\n' > tree/DELETED
pack step-9.tar && gzip -n backups/step-9.tar
mkdir -p tree/docs tree/data
printf 'name = depot\nversion = 3\n' > tree/settings.ini
printf 'How to load a lorry.\n' > tree/docs/loading.txt
printf 'docs/price list.txt\n' > tree/DELETED
pack step-10.tar
tar -C backups $plain --mtime='2024-01-01 00:00Z' -czf /app/backups.tgz .
rm -rf tree backups
