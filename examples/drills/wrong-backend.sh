#!/usr/bin/env bash
# Somebody works with another backend than the one that has the stack: an empty folder.
. "$(dirname "$0")/common.sh"
empty=$(mktemp -d)
export PULUMI_BACKEND_URL="file://$empty"
# An import would make a second owner of everything. It is refused before anything is made.
python -m wizard setup --stack "$STACK" --adopt --repair all --yes --non-interactive && exit 1
heal stack-elsewhere # pulumi login to the backend that the environment's claim names
[ "$PULUMI_BACKEND_URL" != "file://$empty" ]
check
