#!/usr/bin/env bash
# Somebody deletes the stored data key with all of its versions. There is a backup.
. "$(dirname "$0")/common.sh"
folder=$(mktemp -d)
python -m wizard backup --stack "$STACK" --to "$folder/backup.json"
delete_parameters
heal stored-key-missing # restore --from-backup: the account records where the backup is
check
