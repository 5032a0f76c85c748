"""Runs on host A: does one thing with Python's ftplib. The one argument is a job as JSON; see matrix-ftplib.ts."""
import ftplib
import json
import sys
from os.path import basename

job = json.loads(sys.argv[1])
local = job["local"]

ftp = ftplib.FTP(timeout=20, encoding=job["encoding"])
ftp.connect(job["host"], job["port"])
ftp.login(job["user"], job["password"])
ftp.set_pasv(job["passive"])


def get(path, into):
    with open(f"{into}/{basename(path)}", "wb") as file:
        ftp.retrbinary(f"RETR {path}", file.write)


def put(into):
    with open(local, "rb") as file:
        ftp.storbinary(f"STOR {into}/{basename(local)}", file)


def resume_get(path):
    with open(f"{local}/{basename(path)}", "ab") as file:
        ftp.retrbinary(f"RETR {path}", file.write, rest=job["offset"])


def resume_put(into):
    with open(local, "rb") as file:
        file.seek(job["offset"])
        ftp.storbinary(f"STOR {into}/{basename(local)}", file, rest=job["offset"])


def abort(big, path):
    ftp.voidcmd("TYPE I")
    data = ftp.transfercmd(f"RETR {big}")
    if not data.recv(65536):
        sys.exit("nothing came")
    if job["closeFirst"]:
        data.close()
    # abort() reads one reply and wants it to be 225, 226 or 426. But the transfer and ABOR have one each, in an order of the server's.
    try:
        print(ftp.abort())
    except ftplib.Error as error:
        print(error)
    data.close()
    ftp.putcmd("NOOP")
    while not (reply := ftp.getmultiline()).startswith("200"):
        print(reply)
    get(path, local)


match job["verb"]:
    case "list":
        print("\n".join(ftp.nlst(job["remote"])))
    case "get":
        get(job["remote"], local)
    case "put":
        put(job["remote"])
    case "resumeGet":
        resume_get(job["remote"])
    case "resumePut":
        resume_put(job["remote"])
    case "abort":
        abort(job["remote"], job["next"])
ftp.quit()
