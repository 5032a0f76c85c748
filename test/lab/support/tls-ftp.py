"""pyftpdlib with the lab's one user, which speaks nothing but TLS once greeted.

usage: tls-ftp.py PORT PEM explicit|implicit|late|old
late: PBSZ and PROT need a login. old: it speaks TLS 1.0 only.
"""
import logging
import sys

from OpenSSL import SSL
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import TLS_FTPHandler
from pyftpdlib.servers import ThreadedFTPServer

port, pem, mode = sys.argv[1:]


class ImplicitHandler(TLS_FTPHandler):
    """TLS from the first byte, which pyftpdlib does not have by itself: the greeting waits for the handshake."""

    def handle(self):
        self.secure_connection(self.ssl_context)

    def handle_ssl_established(self):
        super().handle()


handler = ImplicitHandler if mode == "implicit" else TLS_FTPHandler
logging.basicConfig(stream=sys.stdout, level=logging.INFO)
authorizer = DummyAuthorizer()
authorizer.add_user("ferry", "Sesame-4417-open", "/home/ferry", perm="elradfmwMT")
handler.authorizer = authorizer
handler.permit_foreign_addresses = True
handler.certfile = handler.keyfile = pem
handler.tls_control_required = True
handler.tls_data_required = True
if mode == "late":
    for command in ("PBSZ", "PROT"):
        handler.proto_cmds[command]["auth"] = True
if mode == "old":
    context = SSL.Context(SSL.SSLv23_METHOD)
    context.set_min_proto_version(SSL.TLS1_VERSION)
    context.set_max_proto_version(SSL.TLS1_VERSION)
    context.set_cipher_list(b"DEFAULT@SECLEVEL=0")
    context.use_certificate_chain_file(pem)
    context.use_privatekey_file(pem)
    handler.ssl_context = context
server = ThreadedFTPServer(("::", int(port)), handler)
server.max_cons = 600
server.serve_forever()
