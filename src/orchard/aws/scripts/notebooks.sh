#!/bin/bash
# Bootstrap action: replaces JupyterHub's well-known password as soon as its container runs.
# $1: the secret that holds the new one. $2: its region. The password is on no command line. What
# goes on after the action reads nothing of the action's own input, for whose end EMR may wait.
set -euo pipefail
if ! grep -q '"isMaster": *true' /mnt/var/lib/info/instance.json; then
  exit 0
fi
nohup bash -c '
  until sudo docker exec jupyterhub true 2>/dev/null; do sleep 2; done
  until aws secretsmanager get-secret-value --secret-id "$0" --region "$1" \
      --query SecretString --output text | sed "s/^/jovyan:/" |
      sudo docker exec -i jupyterhub chpasswd; do sleep 5; done
' "$1" "$2" </dev/null >/dev/null 2>&1 &
