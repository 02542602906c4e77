#!/usr/bin/env bash
# Somebody deletes the application's project on Vercel, and its variables with it.
. "$(dirname "$0")/common.sh"
vercel() { curl -fsS -o /dev/null -H "Authorization: Bearer $VERCEL_TOKEN" "$@"; }
vercel -X DELETE "$VERCEL_API_URL/v9/projects/eonpro?slug=eonpro"
python -m wizard doctor --stack "$STACK" --json $QUICK >"$ANSWER" 2>/dev/null && exit 1
[ "$(said cause)" = target-missing ] # vercel project add eonpro: a person creates it again, here by Vercel's API
vercel -X POST "$VERCEL_API_URL/v11/projects?slug=eonpro" -d '{"name": "eonpro", "framework": "nextjs"}'
heal variable-missing # push delivers the three variables
check
