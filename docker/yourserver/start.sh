#!/bin/bash
# Runs everything in the foreground of one container; ends, and with it the container, when any of them ends.
set -eu
ssh-keygen -A >/dev/null
mkdir -p /run/sshd /var/run/vsftpd/empty
dovecot -F &
postfix start-fg &
vsftpd /etc/vsftpd.conf &
/usr/sbin/sshd -D -e -f "${SSHD_CONFIG:-/etc/ssh/sshd_config}" &
trap 'kill $(jobs -p)' TERM INT
wait -n
