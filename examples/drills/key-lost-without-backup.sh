#!/usr/bin/env bash
# Somebody deletes the stored data key, and there is no backup. Each word leaves one copy less:
#   versions  the versions of the account are there
#   history   they are there, and somebody overwrote them: Parameter Store keeps the first value
#   target    nothing is left in the account: only the running application has the data key
. "$(dirname "$0")/common.sh"
case "${1:-versions}" in
versions)
    aws ssm delete-parameter --name "$KEY"
    heal stored-key-missing # restore --version
    ;;
history)
    for version in $KEPT; do aws ssm put-parameter --overwrite --name "$version" --value overwritten >/dev/null; done
    aws ssm delete-parameter --name "$KEY"
    heal stored-key-missing # puts the first value of the version back, then restore --version
    ;;
target)
    # What a person reads in the running application; Vercel itself does not show it.
    running=$(curl -fsS "$VERCEL_API_URL/_sandbox/deployment/eonpro" |
        python -c 'import json, sys; print(json.load(sys.stdin)["ENCRYPTED_PHI_KEY"])')
    delete_parameters
    heal stored-key-missing <<<"$running" # restore --from-target asks for the value
    ;;
esac
check
