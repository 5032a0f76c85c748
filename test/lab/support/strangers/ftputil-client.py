"""Runs on host A: does one thing with ftputil; script-clients.ts has the verbs.

usage: ftputil-client.py HOST PORT USER PASSWORD passive|active VERB ARGUMENT...
"""
import shutil
import sys
from pathlib import Path

import ftputil
import ftputil.session

host, port, user, password, mode, verb, *args = sys.argv[1:]
factory = ftputil.session.session_factory(port=int(port), use_passive_mode=mode == "passive", encoding="latin-1")


def put(ftp, file, path, offset=0):
    with open(file, "rb") as source, ftp.open(path, "wb", rest=offset or None) as target:
        source.seek(offset)
        shutil.copyfileobj(source, target)


with ftputil.FTPHost(host, user, password, session_factory=factory) as ftp:
    match verb, args:
        case "list", [folder]:
            print("\n".join(ftp.listdir(folder)))
        case "get", [path, file]:
            ftp.download(path, file)
        case "put", [file, path]:
            ftp.upload(file, path)
        case "getMany", [folder, into]:
            for name in ftp.listdir(folder):
                ftp.download(f"{folder}/{name}", f"{into}/{name}")
        case "putMany", [folder, into]:
            for file in sorted(Path(folder).iterdir()):
                ftp.upload(file, f"{into}/{file.name}")
        case "resumeGet", [path, file, offset]:
            with ftp.open(path, "rb", rest=int(offset)) as source, open(file, "ab") as target:
                shutil.copyfileobj(source, target)
        case "resumePut", [file, path, offset]:
            put(ftp, file, path, int(offset))
        case "abort", [big, _, path, file]:
            # To close the file is how it aborts.
            with ftp.open(big, "rb") as source:
                if not source.read(65536):
                    sys.exit("no data")
            ftp.download(path, file)
