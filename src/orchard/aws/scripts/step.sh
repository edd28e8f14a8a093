#!/bin/bash
# A step: the code beside the driver, then spark-submit, ended when its time is over: its own, or
# five minutes before the node powers itself off (see stop_after.sh), so that its logs still arrive.
# $1: the archive's URL. $2: main.py's. $3: the folder of the job's description. $4: minutes.
# $5: the region. The rest goes to spark-submit.
set -euo pipefail
code=$1 main=$2 job=$3 seconds=$((60 * $4))
export AWS_REGION=$5 AWS_DEFAULT_REGION=$5
shift 5
deadline=${ORCHARD_DEADLINE:-/var/tmp/orchard-deadline}
if [ -f "$deadline" ]; then
  left=$(($(cat "$deadline") - 300 - $(date +%s)))
  if [ "$left" -lt 60 ]; then
    echo "the time of this cluster is over in less than six minutes: nothing was begun" >&2
    exit 124
  fi
  seconds=$((left < seconds ? left : seconds))
fi
cd "$(mktemp -d)"
aws s3 cp --only-show-errors "$code" code.zip
aws s3 cp --only-show-errors "$main" main.py
python3 -c 'import zipfile; zipfile.ZipFile("code.zip").extractall("orchard-code")'
export PYTHONPATH="$PWD/orchard-code"
exec timeout --kill-after=60 "${seconds}s" \
  spark-submit --deploy-mode client --archives code.zip#orchard-code "$@" main.py "$job"
