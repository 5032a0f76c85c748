"""pyftpdlib with the lab's one user, which speaks nothing but TLS once greeted.

usage: tls-ftp.py PORT PEM explicit|implicit
"""
import logging
import sys

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
server = ThreadedFTPServer(("::", int(port)), handler)
server.max_cons = 600
server.serve_forever()
