"""Runs on host A: does one thing with Twisted's FTPClient; script-clients.ts has the verbs.

usage: twisted-client.py HOST PORT USER PASSWORD passive|active VERB ARGUMENT...
"""
import sys
from pathlib import Path

from twisted.internet import defer, protocol, reactor, task
from twisted.protocols.ftp import FTPClient, FTPFileListProtocol

host, port, user, password, mode, verb, *args = sys.argv[1:]


class Sink(protocol.Protocol):
    """Writes what arrives to a file, and fires `first` with the first bytes."""

    def __init__(self, file, flags="wb"):
        self.file = open(file, flags)
        self.first = defer.Deferred()

    def dataReceived(self, data):
        self.file.write(data)
        if not self.first.called:
            self.first.callback(None)

    def connectionLost(self, reason=protocol.connectionDone):
        self.file.close()


async def connect():
    creator = protocol.ClientCreator(reactor, FTPClient, user, password, passive=mode == "passive")
    return await creator.connectTCP(host, int(port), timeout=20)


async def names(client, folder):
    listing = FTPFileListProtocol()
    await client.list(folder, listing)
    return [file["filename"] for file in listing.files]


async def get(client, path, file, offset=0):
    await client.retrieveFile(path, Sink(file, "ab" if offset else "wb"), offset)


async def put(client, file, path, offset=0):
    ready, done = client.storeFile(path, offset)
    sender = await ready
    sender.transport.write(Path(file).read_bytes()[offset:])
    sender.finish()
    await done


async def main(_reactor):
    client = await connect()
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
        case "abort", [big, into, path, file]:
            # It has no ABOR: a user drops both connections.
            sink = Sink(into)
            transfer = client.retrieveFile(big, sink)
            transfer.addErrback(lambda reason: print(reason.value, file=sys.stderr))
            await sink.first
            sink.transport.abortConnection()
            client.transport.abortConnection()
            client = await connect()
            await get(client, path, file)
    await client.quit()


task.react(lambda reactor: defer.ensureDeferred(main(reactor)))
