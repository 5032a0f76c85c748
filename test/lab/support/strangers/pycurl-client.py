"""Runs on host A: does one thing with pycurl, one handle for all of it; script-clients.ts has the verbs.

usage: pycurl-client.py HOST PORT USER PASSWORD passive|active VERB ARGUMENT...
"""
import io
import sys
from pathlib import Path

import pycurl

host, port, user, password, mode, verb, *args = sys.argv[1:]
at = f"[{host}]" if ":" in host else host
curl = pycurl.Curl()


def perform(path, **options):
    curl.reset()
    curl.setopt(pycurl.URL, f"ftp://{at}:{port}/{path}")
    curl.setopt(pycurl.USERPWD, f"{user}:{password}")
    curl.setopt(pycurl.CONNECTTIMEOUT, 20)
    if mode == "active":
        curl.setopt(pycurl.FTPPORT, "-")
    for name, value in options.items():
        curl.setopt(getattr(pycurl, name), value)
    curl.perform()


def names(folder):
    page = io.BytesIO()
    perform(f"{folder}/", DIRLISTONLY=True, WRITEDATA=page)
    return [name for name in page.getvalue().decode().split() if name not in (".", "..")]


def get(path, file, offset=0):
    with open(file, "ab" if offset else "wb") as target:
        perform(path, WRITEDATA=target, RESUME_FROM=offset)


def put(file, path, offset=0):
    with open(file, "rb") as source:
        perform(path, UPLOAD=True, READDATA=source, SEEKFUNCTION=lambda at, _: source.seek(at) and pycurl.SEEKFUNC_OK, RESUME_FROM=offset)


match verb, args:
    case "list", [folder]:
        print("\n".join(names(folder)))
    case "get", [path, file]:
        get(path, file)
    case "put", [file, path]:
        put(file, path)
    case "getMany", [folder, into]:
        for name in names(folder):
            get(f"{folder}/{name}", f"{into}/{name}")
    case "putMany", [folder, into]:
        for file in sorted(Path(folder).iterdir()):
            put(file, f"{into}/{file.name}")
    case "resumeGet", [path, file, offset]:
        get(path, file, int(offset))
    case "resumePut", [file, path, offset]:
        put(file, path, int(offset))
    case "abort", [big, _, path, file]:
        try:
            perform(big, WRITEFUNCTION=lambda data: 0)
            sys.exit("it was interrupted and succeeded")
        except pycurl.error as error:
            print(error, file=sys.stderr)
        get(path, file)
