// A virtio-serial port as a stream. While no host is connected, reads return nothing and writes wait.
import { open } from "node:fs/promises";
import { Duplex } from "node:stream";

const readBytes = 64 << 10;
/** How often to check for a host while none is connected: reads then return no bytes. */
const hostlessPollMs = 250;

export async function openPort(path: string): Promise<Duplex> {
  const file = await open(path, "r+");
  const buffer = Buffer.alloc(readBytes);
  return new Duplex({
    async read() {
      try {
        for (;;) {
          const { bytesRead } = await file.read(buffer, 0, readBytes, null);
          if (bytesRead > 0) return void this.push(Buffer.from(buffer.subarray(0, bytesRead)));
          await new Promise((resolve) => setTimeout(resolve, hostlessPollMs));
        }
      } catch (error) {
        this.destroy(error as Error);
      }
    },
    async write(chunk: Buffer, _encoding, done) {
      try {
        for (let at = 0; at < chunk.length; ) at += (await file.write(chunk, at, chunk.length - at, null)).bytesWritten;
        done();
      } catch (error) {
        done(error as Error);
      }
    },
    destroy(error, done) {
      file.close().then(() => done(error), done);
    },
  });
}
