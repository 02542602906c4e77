# What every drill does: note what must stay, break something, do what the doctor prints, look at the end.
# A drill is read and run in the sandbox, on Linux and on macOS:
#   make demo && eval "$(.venv/bin/eonpro-sandbox env)" && bash examples/drills/state-lost.sh
set -euo pipefail
STACK=production
KEY=/eonpro/production/ENCRYPTED_PHI_KEY
VERSIONS=/eonpro/production/data-keys
case "${AWS_ENDPOINT_URL:-}" in
http://127.0.0.1:*) ;;
*)
    echo "A drill breaks what it finds. It runs in the sandbox only." >&2
    exit 2
    ;;
esac
ANSWER=$(mktemp)
trap 'rm -f "$ANSWER"' EXIT

# The SHA-256 of the stored data key, the names of its versions, the ids of all KMS keys.
stored() { aws ssm get-parameter --name "$KEY" --with-decryption --query Parameter.Value --output text | sha256; }
sha256() { python -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())'; }
versions() { aws ssm get-parameters-by-path --path "$VERSIONS" --query 'sort(Parameters[].Name)' --output text; }
kms_keys() { aws kms list-keys --query 'sort(Keys[].KeyId)' --output text; }

# Deletes the stored data key, its versions and what is beside them; what says who owns the environment stays.
delete_parameters() {
    aws ssm get-parameters-by-path --path "${KEY%/*}" --recursive --query 'Parameters[].Name' --output text |
        tr '\t' '\n' | grep -Ev '/(claim|backup)$' | xargs aws ssm delete-parameters --names >/dev/null
}

# A field of what the doctor said first: the finding, or the next step of an error.
said() {
    python -c 'import json, sys
answer = json.load(sys.stdin)
first = (answer.get("findings") or [answer.get("next") or {}])[0]
print(first.get(sys.argv[1]) or "")' "$1" <"$ANSWER"
}

# Runs the command that the doctor prints, until it says that all is well. `heal CAUSE`: the cause that it has to name first.
heal() {
    local number command
    for number in 1 2 3 4; do
        if python -m wizard doctor --stack "$STACK" --json $QUICK >"$ANSWER" 2>/dev/null; then return; fi
        if [ "$number" = 1 ] && [ -n "${1:-}" ] && [ "$(said cause)" != "$1" ]; then
            cat "$ANSWER" >&2
            exit 1
        fi
        command=$(said command)
        echo "doctor: $(said what)"
        echo "\$ $command"
        eval "$command"
    done
    echo "The doctor's commands did not heal it." >&2
    exit 1
}

# The end of every drill: all is well, the application has its data key, and no second one was made, nor a second KMS key.
check() {
    [ "$(stored)" = "$STORED" ] || { echo "Another data key is stored." >&2 && exit 1; }
    [ "$(versions)" = "$KEPT" ] || { echo "There are other versions of the data key." >&2 && exit 1; }
    [ "$(kms_keys)" = "$KEYS" ] || { echo "There are other KMS keys." >&2 && exit 1; }
    python -m wizard verify --stack "$STACK" --non-interactive
    echo "Healed: the same data key is stored and delivered, and no other was made."
}

# A drill about the state sets it to nothing: then the doctor also compares state and account, which takes seconds.
QUICK=--quick
STORED=$(stored) KEPT=$(versions) KEYS=$(kms_keys)
