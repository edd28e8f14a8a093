#!/bin/bash
# A step: the code beside the driver, then spark-submit, ended when its time is over.
# $1: the archive's URL. $2: main.py's. $3: the folder of the job's description. $4: minutes.
# $5: the region. The rest goes to spark-submit.
set -euo pipefail
code=$1 main=$2 job=$3 minutes=$4
export AWS_REGION=$5 AWS_DEFAULT_REGION=$5
shift 5
cd "$(mktemp -d)"
aws s3 cp --only-show-errors "$code" code.zip
aws s3 cp --only-show-errors "$main" main.py
python3 -c 'import zipfile; zipfile.ZipFile("code.zip").extractall("orchard-code")'
export PYTHONPATH="$PWD/orchard-code"
exec timeout --kill-after=60 "${minutes}m" \
  spark-submit --deploy-mode client --archives code.zip#orchard-code "$@" main.py "$job"
