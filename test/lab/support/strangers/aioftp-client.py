"""Runs on host A: does one thing with aioftp; script-clients.ts has the verbs.

usage: aioftp-client.py HOST PORT USER PASSWORD passive VERB ARGUMENT...
"""
import asyncio
import sys
from pathlib import Path

import aioftp

host, port, user, password, _mode, verb, *args = sys.argv[1:]


async def names(client, folder):
    # It passes on the entry for the folder itself that pure-ftpd's MLSD has.
    return [path.name async for path, info in client.list(folder) if info["type"] in ("file", "dir")]


async def get(client, path, file, offset=0):
    with open(file, "ab" if offset else "wb") as out:
        async with client.download_stream(path, offset=offset) as stream:
            async for block in stream.iter_by_block():
                out.write(block)


async def put(client, file, path, offset=0):
    with open(file, "rb") as source:
        source.seek(offset)
        async with client.upload_stream(path, offset=offset) as stream:
            while block := source.read(65536):
                await stream.write(block)


async def interrupt(client, path):
    stream = await client.download_stream(path)
    if not await stream.read(65536):
        sys.exit("no data")
    stream.close()
    # abort() reads one reply at most, and the transfer and ABOR have one each. So the session has to end.
    client.close()


def connect():
    return aioftp.Client.context(host, int(port), user, password, socket_timeout=20)


async def main():
    if verb == "abort":
        client = aioftp.Client(socket_timeout=20)
        await client.connect(host, int(port))
        await client.login(user, password)
        await interrupt(client, args[0])
    async with connect() as client:
        match verb, args:
            case "list", [folder]:
                print("\n".join(await names(client, folder)))
            case "get", [path, file]:
                await get(client, path, file)
            case "put", [file, path]:
                await put(client, file, path)
            case "getMany", [folder, into]:
                for name in await names(client, folder):
                    await get(client, f"{folder}/{name}", f"{into}/{name}")
            case "putMany", [folder, into]:
                for file in sorted(Path(folder).iterdir()):
                    await put(client, file, f"{into}/{file.name}")
            case "resumeGet", [path, file, offset]:
                await get(client, path, file, int(offset))
            case "resumePut", [file, path, offset]:
                await put(client, file, path, int(offset))
            case "abort", [_, _, path, file]:
                await get(client, path, file)


asyncio.run(main())
