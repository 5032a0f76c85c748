#!/bin/sh
# Sets up postfix: takes mail for local users on port 25 and, after a login, on 587; delivers to their Maildir.
set -eu
postconf -e \
  compatibility_level=3.6 \
  myhostname=yourserver.example.com \
  mydestination='yourserver.example.com, yourserver, localhost' \
  mynetworks='127.0.0.0/8, [::1]/128' \
  relayhost= default_transport='error: this host sends nothing out' \
  inet_interfaces=all inet_protocols=all \
  home_mailbox=Maildir/ mailbox_size_limit=0 message_size_limit=104857600 \
  alias_maps= alias_database= \
  smtpd_sasl_type=dovecot smtpd_sasl_path=private/auth smtpd_tls_security_level=none \
  smtpd_client_connection_count_limit=0 smtpd_client_connection_rate_limit=0 \
  maillog_file=/dev/stdout
postconf -M submission/inet='submission inet n - n - - smtpd -o smtpd_sasl_auth_enable=yes'
postconf -F '*/*/chroot = n'
