"""Runs on host A: two clients, one of FTP and one of POP3, that log in, say NOOP, and come again whenever they are cut off.

usage: working-clients.py FTP_PORT POP3_PORT USER PASSWORD
Prints a line for each change: `ftp served`, `ftp refused LINE`, `ftp lost LINE`; LINE is the last one heard, empty if none.
"""
import socket
import sys
import threading
import time

ftp_port, pop3_port, user, password = sys.argv[1:]


def work(name, port, good):
    while True:
        state, last = "refused", ""
        try:
            with socket.create_connection(("localhost", int(port)), timeout=60) as connection:
                replies = connection.makefile("r", encoding="latin-1", newline="\r\n")

                def heard():
                    nonlocal last
                    line = replies.readline()
                    if not line:
                        raise EOFError
                    last = line.strip()
                    if not last.startswith(good):
                        raise EOFError

                heard()
                for command in ("USER " + user, "PASS " + password):
                    connection.sendall((command + "\r\n").encode())
                    heard()
                print(name, "served", flush=True)
                state = "lost"
                while True:
                    connection.sendall(b"NOOP\r\n")
                    heard()
                    time.sleep(0.05)
        except (EOFError, OSError) as error:
            # What was said before a write failed is still to be read.
            try:
                while line := replies.readline():
                    last = line.strip()
            except (OSError, NameError):
                pass
            print(name, state, last, flush=True)
        time.sleep(0.1)


threading.Thread(target=work, args=("pop3", pop3_port, "+OK"), daemon=True).start()
work("ftp", ftp_port, ("220", "331", "230", "200"))
