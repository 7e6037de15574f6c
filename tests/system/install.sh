#!/usr/bin/env bash
# Installs what the system tests need, from Debian's packages: a batch system, a database server, a browser
# and npm, which installs what the demo's page needs.
set -euo pipefail
packages=(chromium chromium-driver munge postgresql slurm-wlm)
command -v npm > /dev/null || packages+=(npm)
if ! dpkg-query --show "${packages[@]}" > /dev/null 2>&1; then
    as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get update --quiet
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install --quiet --yes --no-install-recommends "${packages[@]}"
fi
npm ci --prefix "$(dirname "$0")/../../demo"
