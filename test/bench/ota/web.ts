// Web servers for a repository, each behind a relay that counts: the lab's, which sends ranges, and Python's, which does not.
import { spawn } from "node:child_process";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import { serveFolder } from "../../../image/lab/web/server.ts";
import { countWire, type Wire } from "./wire.ts";

export async function webWithRanges(folder: string): Promise<Wire> {
  const server = serveFolder({ folder, now: Date.now, onRequest: () => {} });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const wire = await countWire((server.address() as AddressInfo).port);
  return {
    ...wire,
    async close() {
      await wire.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export async function webWithoutRanges(folder: string): Promise<Wire> {
  const argv = ["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", folder];
  const python = spawn("python3", argv, { stdio: ["ignore", "pipe", "ignore"] });
  const ended = new Promise((resolve) => python.on("close", resolve));
  let port = 0;
  for await (const line of createInterface({ input: python.stdout })) {
    port = Number(/ port (\d+) /.exec(line)?.[1]);
    break;
  }
  if (!port) throw new Error("python3 -m http.server did not start");
  const wire = await countWire(port);
  return {
    ...wire,
    async close() {
      await wire.close();
      python.kill();
      await ended;
    },
  };
}
