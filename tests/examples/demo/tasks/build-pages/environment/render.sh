# Renders a page: the first line is the title, the rest is the body. Usage: sh render.sh TEMPLATE PAGE
title="$(head -n 1 "$2")"
while IFS= read -r line; do
    case "$line" in
        @BODY@) tail -n +2 "$2" ;;
        *) printf '%s\n' "$line" | sed "s/@TITLE@/$title/" ;;
    esac
done < "$1"
