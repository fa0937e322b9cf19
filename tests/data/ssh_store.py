"""An SSH server with SFTP in this process or in one of its own; what a workstation's sshd is to a robot."""

import asyncio
import sys
from pathlib import Path

import asyncssh


async def serve(host, port, root, key, cuts=()):
    """Listen; whoever comes may enter and sees `root` as `/`. Gives the server, whose port may have been chosen.

    `cuts` is taken from its end, one for each read or write: True breaks the connection in the middle of it.
    """

    class Server(asyncssh.SSHServer):
        def begin_auth(self, username):
            return False

    class Sftp(asyncssh.SFTPServer):
        def write(self, file_obj, offset, data):
            if cuts.pop() if cuts else False:
                super().write(file_obj, offset, data[: len(data) // 2])
                self.channel.get_connection().abort()
                return 0
            return super().write(file_obj, offset, data)

        def read(self, file_obj, offset, size):
            if cuts.pop() if cuts else False:
                self.channel.get_connection().abort()
            return super().read(file_obj, offset, size)

    def sftp(channel):
        return Sftp(channel, chroot=str(root))

    return await asyncssh.listen(host, port, server_factory=Server, server_host_keys=[str(key)], sftp_factory=sftp)


def new_key(folder):
    """A host key, and a home whose known_hosts has it for every host."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(str(folder / "host_key"))
    (folder / "home" / ".ssh").mkdir(parents=True)
    public = key.export_public_key().decode().strip()
    (folder / "home" / ".ssh" / "known_hosts").write_text(f"* {public}\n")
    return folder / "host_key"


async def _forever(host, port, root, keys):
    await serve(host, int(port), Path(root), new_key(Path(keys)))
    print("listening", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_forever(*sys.argv[1:]))
