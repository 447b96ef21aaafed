"""A backend of its own process, to be killed and revived: it answers with what it was asked and whose certificate it was
told of. `python3 echo_backend.py PORT [ADDRESS]`."""
import asyncio
import sys


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.data = transport, b""

    def data_received(self, data):
        self.data += data
        while b"\r\n\r\n" in self.data:
            head, _, self.data = self.data.partition(b"\r\n\r\n")
            lines = head.split(b"\r\n")
            told = [line.partition(b":")[2].strip() for line in lines if line.lower().startswith(b"client-cert:")]
            body = lines[0].split()[1] + b" " + b"|".join(told)
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


async def serve(port, address="127.0.0.1"):
    server = await asyncio.get_running_loop().create_server(Echo, address, port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), *sys.argv[2:]))
