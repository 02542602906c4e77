#!/usr/bin/env bash
# Pulumi's state is lost: somebody removed the stack from the backend. What the stack made is still in the account.
. "$(dirname "$0")/common.sh"
QUICK=
pulumi stack rm --force --yes --preserve-config "$STACK"
heal stack-state-lost # setup --adopt --repair all: imports what is there, makes nothing a second time
check
