#!/usr/bin/env bash
# The stack's own Region loses all parameters: the data key, its versions, the variables beside it. The key is a
# multi-Region key, and the Region of its replica has a copy (make demo TARGET=multi-region).
. "$(dirname "$0")/common.sh"
delete_parameters
heal stored-key-missing # push copies the data key back from the replica's Region
check
