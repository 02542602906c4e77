#!/usr/bin/env bash
# The stack's settings file is lost: it was never committed, or a merge deleted it.
. "$(dirname "$0")/common.sh"
QUICK=
rm "Pulumi.$STACK.yaml"
heal # pulumi config refresh: the state has the settings of the last update
check
