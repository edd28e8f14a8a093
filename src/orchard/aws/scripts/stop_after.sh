#!/bin/bash
# Bootstrap action: this node powers itself off when the cluster's time is over. The primary's end is
# the cluster's end, whatever becomes of the laptop that started it. $1: minutes.
set -euo pipefail
minutes=$1
if ! grep -q '"isMaster": *true' /mnt/var/lib/info/instance.json; then
  minutes=$((minutes + 5))  # the primary goes first, so that no node is replaced
fi
# Steps on the primary end before it (see step.sh): whoever reads their logs is told why.
echo $(($(date +%s) + 60 * minutes)) >"${ORCHARD_DEADLINE:-/var/tmp/orchard-deadline}"
sudo shutdown -P "+$minutes" "Orchard: the time of this cluster is over"
