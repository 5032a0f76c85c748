"""Runs on host A: does one thing with PyFilesystem; script-clients.ts has the verbs.

usage: pyfilesystem-client.py HOST PORT USER PASSWORD passive VERB ARGUMENT...
"""
import ftplib
import shutil
import sys
from pathlib import Path

from fs.ftpfs import FTPFS

host, port, user, password, _mode, verb, *args = sys.argv[1:]


def get(ftp, path, file):
    with open(file, "wb") as target:
        ftp.download(path, target)


def put(ftp, file, path):
    with open(file, "rb") as source:
        ftp.upload(path, source)


with FTPFS(host, user, password, port=int(port), timeout=20) as ftp:
    match verb, args:
        case "list", [folder]:
            print("\n".join(ftp.listdir(folder)))
        case "get", [path, file]:
            get(ftp, path, file)
        case "put", [file, path]:
            put(ftp, file, path)
        case "getMany", [folder, into]:
            for name in ftp.listdir(folder):
                get(ftp, f"{folder}/{name}", f"{into}/{name}")
        case "putMany", [folder, into]:
            for file in sorted(Path(folder).iterdir()):
                put(ftp, file, f"{into}/{file.name}")
        case "resumeGet", [path, file, offset]:
            with ftp.openbin(path) as source, open(file, "ab") as target:
                source.seek(int(offset))
                shutil.copyfileobj(source, target)
        case "resumePut", [file, path, offset]:
            with open(file, "rb") as source, ftp.openbin(path, "r+") as target:
                source.seek(int(offset))
                target.seek(int(offset))
                shutil.copyfileobj(source, target)
        case "abort", [big, _, path, file]:
            # To close the file is how it aborts. It takes the reply to that for the reply to QUIT.
            source = ftp.openbin(big)
            if not source.read(65536):
                sys.exit("no data")
            try:
                source.close()
            except ftplib.Error as error:
                print(error, file=sys.stderr)
            get(ftp, path, file)
