set -e
# Names and dates of commits and of the log of references are the same each time.
export GIT_CONFIG_GLOBAL=/dev/null
export GIT_AUTHOR_NAME=demo GIT_AUTHOR_EMAIL=demo@localhost GIT_COMMITTER_NAME=demo GIT_COMMITTER_EMAIL=demo@localhost
export GIT_AUTHOR_DATE='2024-04-01 10:00 +0000' GIT_COMMITTER_DATE='2024-04-01 10:00 +0000'
step=0
commit() {
    step=$((step + 1))
    GIT_AUTHOR_DATE="2024-04-0$step 10:00 +0000"
    GIT_COMMITTER_DATE="$GIT_AUTHOR_DATE"
    git add .
    git commit --quiet -m "$1"
}
git init --quiet --initial-branch=main project
cd project
rm -rf .git/hooks
printf 'Rates of the parcel service.\n' > README
printf 'zone,price\n1,4\n2,6\n' > zones.csv
commit 'Begin'
printf 'Parcels up to 30 kg.\n' >> README
commit 'Name the limit'
printf 'weight,factor\n5,1.0\n10,1.4\n30,2.2\n' > rates.csv
printf '3,9\n' >> zones.csv
commit 'Add the table of rates'
git reset --quiet --hard HEAD~1
printf 'Open on weekdays.\n' >> README
commit 'Name the hours'
printf 'See zones.csv.\n' > NOTES
commit 'Point to the zones'
