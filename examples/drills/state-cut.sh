#!/usr/bin/env bash
# Pulumi's state is cut off in the middle: a full disk, a copy that broke off.
. "$(dirname "$0")/common.sh"
QUICK=
state="${PULUMI_BACKEND_URL#file://}/.pulumi/stacks/eonpro-kms/$STACK.json"
head -c 2000 "$state" >"$state.cut"
mv "$state.cut" "$state"
heal stack-state-damaged # puts the newest complete copy of the state back, which lies beside it
check
