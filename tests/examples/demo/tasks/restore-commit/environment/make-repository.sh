set -e
export GIT_CONFIG_GLOBAL=/dev/null
step=0
commit() {
    step=$((step + 1))
    GIT_AUTHOR_DATE="2024-04-0$step 10:00 +0000" GIT_COMMITTER_DATE="2024-04-0$step 10:00 +0000" \
        git -c user.name=demo -c user.email=demo@localhost -c core.logAllRefUpdates=true commit --quiet "$@"
}
git init --quiet --initial-branch=main project
cd project
rm -rf .git/hooks
printf 'Rates of the parcel service.\n' > README
printf 'zone,price\n1,4\n2,6\n' > zones.csv
git add .
commit -m 'Begin'
printf 'Parcels up to 30 kg.\n' >> README
git add .
commit -m 'Name the limit'
printf 'weight,factor\n5,1.0\n10,1.4\n30,2.2\n' > rates.csv
printf '3,9\n' >> zones.csv
git add .
commit -m 'Add the table of rates'
GIT_COMMITTER_DATE='2024-04-04 10:00 +0000' git -c user.name=demo -c user.email=demo@localhost reset --quiet --hard HEAD~1
printf 'Open on weekdays.\n' >> README
git add .
commit -m 'Name the hours'
printf 'See zones.csv.\n' > NOTES
git add .
commit -m 'Point to the zones'
