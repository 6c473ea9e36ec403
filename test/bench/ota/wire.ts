// Counts what passes between a device and a web server: a relay on loopback that adds up the bytes of both directions, HTTP headers
// included, and the requests.
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export type Wire = {
  url: string;
  /** Since the last call. */
  take(): Carried;
  close(): Promise<void>;
};
export type Carried = { bytes: number; requests: number };

export async function countWire(port: number): Promise<Wire> {
  let carried: Carried = { bytes: 0, requests: 0 };
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    for (const one of [near, far]) {
      sockets.add(one);
      one.on("error", () => {}).on("close", () => sockets.delete(one));
    }
    near.on("data", (bytes) => {
      // No client here sends a body, or a second request before the answer to the first.
      if (/^(GET|HEAD) \//.test(bytes.toString("latin1", 0, 8))) carried.requests += 1;
      carried.bytes += bytes.length;
    });
    far.on("data", (bytes) => {
      carried.bytes += bytes.length;
    });
    near.pipe(far);
    far.pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    take() {
      const taken = carried;
      carried = { bytes: 0, requests: 0 };
      return taken;
    },
    async close() {
      for (const one of sockets) one.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
