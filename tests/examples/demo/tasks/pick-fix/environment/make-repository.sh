set -e
# Names and dates of commits and of the log of references are the same each time.
export GIT_CONFIG_GLOBAL=/dev/null
export GIT_AUTHOR_NAME=demo GIT_AUTHOR_EMAIL=demo@localhost GIT_COMMITTER_NAME=demo GIT_COMMITTER_EMAIL=demo@localhost
export GIT_AUTHOR_DATE='2024-05-01 10:00 +0000' GIT_COMMITTER_DATE='2024-05-01 10:00 +0000'
step=0
commit() {
    step=$((step + 1))
    GIT_AUTHOR_DATE="2024-05-0$step 10:00 +0000"
    GIT_COMMITTER_DATE="$GIT_AUTHOR_DATE"
    git add .
    git commit --quiet -m "$1"
}
git init --quiet --initial-branch=main shop
cd shop
rm -rf .git/hooks
cat > total.awk <<'AWK'
# Prints the total of lines "quantity price".
BEGIN { FS = " " }
{ total += $1 * $2 }
END { printf "%d\n", total }
AWK
printf 'bread\nmilk\n' > menu.txt
commit 'Begin'
git checkout --quiet -b next
cat > total.awk <<'AWK'
# Prints the total of lines "quantity price", less a coupon.
BEGIN { FS = " "; if (coupon == "") coupon = 0 }
{ total += $1 * $2 }
END { printf "%d\n", total - coupon }
AWK
commit 'Add coupons'
cat > total.awk <<'AWK'
# Prints the total of lines "quantity price", less a coupon.
BEGIN { FS = " "; if (coupon == "") coupon = 0 }
/^#/ { next }
{ total += $1 * $2 }
END { printf "%.2f\n", total - coupon }
AWK
commit 'Fix totals: keep the cents, skip comments'
printf 'bread\nmilk\ntea\n' > menu.txt
commit 'Rework the menu'
git checkout --quiet main
printf 'Run: awk -f total.awk FILE\n' > README
commit 'Say how it is run'
