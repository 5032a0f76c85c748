"""Runs on host A: one FTP transfer that takes its time.

usage: slow-ftp.py PORT USER PASSWORD download|upload REMOTE LOCAL BYTES_PER_SECOND
Prints `begun` when the transfer is under way, then how the data ended (`end` or an error's name) and what the server said last.
"""
import ftplib
import sys
import time

port, user, password, direction, remote, local, rate = sys.argv[1:]
PIECE = 64 * 1024
ftp = ftplib.FTP()
ftp.connect("localhost", int(port), timeout=120)
ftp.login(user, password)
verb = "RETR " if direction == "download" else "STOR "
ftp.voidcmd("TYPE I")
data = ftp.transfercmd(verb + remote)
ended = "end"
try:
    with open(local, "wb" if direction == "download" else "rb") as file:
        for i in range(1 << 30):
            if direction == "download":
                piece = data.recv(PIECE)
                file.write(piece)
            else:
                piece = file.read(PIECE)
                data.sendall(piece)
            if not piece:
                break
            if i == 0:
                print("begun", flush=True)
            time.sleep(len(piece) / float(rate))
except OSError as error:
    ended = type(error).__name__
data.close()
print(ended, flush=True)
try:
    print(ftp.getmultiline(), flush=True)
except (EOFError, OSError) as error:
    print(type(error).__name__, flush=True)
