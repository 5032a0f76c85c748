"""Runs on host A: one round of work through sshferry, a busy stretch and then an idle one.

usage: soak-round.py FTP_PORT POP3_PORT SMTP_PORT USER PASSWORD BUSY_SECONDS IDLE_SECONDS
Three clients at a time work for BUSY_SECONDS, two of FTP and one of mail, each in one session after another. An FTP and a POP3
session opened before all that say nothing until the idle stretch is over, and must then still be there.
Prints what was done as JSON; anything that goes wrong ends it with status 1.
"""
import ftplib
import io
import json
import poplib
import smtplib
import sys
import threading
import time
import traceback

ftp_port, pop3_port, smtp_port = (int(port) for port in sys.argv[1:4])
user, password = sys.argv[4:6]
busy, idle = (float(seconds) for seconds in sys.argv[6:8])
done = {"ftp": 0, "transfers": 0, "megabytes": 0.0, "letters": 0, "pop3": 0}
failures = []
lock = threading.Lock()


def count(what, by=1):
    with lock:
        done[what] += by


def ftp_login():
    # Names in a listing are bytes of any kind; ftplib takes them for UTF-8 unless told.
    ftp = ftplib.FTP(encoding="latin-1")
    ftp.connect("localhost", ftp_port, timeout=60)
    ftp.login(user, password)
    count("ftp")
    return ftp


def pop3_login():
    pop3 = poplib.POP3("localhost", pop3_port, timeout=60)
    pop3.user(user)
    pop3.pass_(password)
    count("pop3")
    return pop3


def ftp_session(name, n):
    """Ten transfers, passive and active, with a refusal and an interruption among them."""
    ftp = ftp_login()
    ftp.cwd("incoming")
    for size in (0, 1, 3_000, 70_000, 2_000_000 if n % 4 == 0 else 300_000):
        # Only passive replies of the one kind are PASV's; over IPv6 ftplib asks for EPSV.
        ftp.set_pasv(size != 3_000)
        data = bytes((size + i) % 251 for i in range(251)) * (size // 251 + 1)
        data = data[:size]
        ftp.storbinary("STOR " + name, io.BytesIO(data))
        back = io.BytesIO()
        ftp.retrbinary("RETR " + name, back.write)
        if back.getvalue() != data:
            raise AssertionError(f"{size} bytes came back as {len(back.getvalue())}")
        count("transfers", 2)
        count("megabytes", 2 * size / 1e6)
    ftp.set_pasv(True)
    try:
        ftp.retrlines("RETR nothing-here", lambda line: None)
    except ftplib.error_perm:
        pass
    ftp.retrlines("LIST", lambda line: None)
    data = ftp.transfercmd("RETR " + name)
    data.recv(1)
    data.close()
    try:
        ftp.voidresp()
    except ftplib.Error:
        pass
    count("transfers", 2)
    # Some leave without a word.
    if n % 3 == 0:
        ftp.close()
    else:
        ftp.quit()


def mail_session(n):
    with smtplib.SMTP("localhost", smtp_port, timeout=60) as smtp:
        text = f"Subject: soak {n}\r\n\r\n" + "A line of text.\r\n" * 40
        smtp.sendmail("you@example.org", user + "@yourserver.example.com", text)
    count("letters")
    pop3 = pop3_login()
    for letter in range(1, pop3.stat()[0] + 1):
        pop3.retr(letter)
        pop3.dele(letter)
    pop3.quit()


def work(session):
    n = 0
    while time.monotonic() < end and not failures:
        try:
            session(n)
        except Exception:
            failures.append(traceback.format_exc())
        n += 1


held = [ftp_login(), pop3_login()]
end = time.monotonic() + busy
sessions = [lambda n: ftp_session("soak-1", n), lambda n: ftp_session("soak-2", n), mail_session]
threads = [threading.Thread(target=work, args=(session,)) for session in sessions]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
time.sleep(idle)
try:
    held[0].voidcmd("NOOP")
    held[1].noop()
    for connection in held:
        connection.quit()
except Exception:
    failures.append(traceback.format_exc())
print(json.dumps(done))
sys.exit("\n".join(failures) if failures else 0)
