"""pyftpdlib with the lab's one user, on every address."""
import logging
import sys

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import ThreadedFTPServer

logging.basicConfig(stream=sys.stdout, level=logging.INFO)
authorizer = DummyAuthorizer()
authorizer.add_user("ferry", "Sesame-4417-open", "/home/ferry", perm="elradfmwMT")
FTPHandler.authorizer = authorizer
FTPHandler.permit_foreign_addresses = True
server = ThreadedFTPServer(("::", 21), FTPHandler)
server.max_cons = 600
server.serve_forever()
