// A web server on a host of its own on the LAN, whose network card counts what it sends.
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { objectPath } from "../../ota/format/names.ts";
import type { Repository } from "../ota/updater/repository.ts";
import type { Lan } from "./lan.ts";

export type WebHost = {
  url: string;
  /** Replaces what it serves. */
  put(repository: Pick<Repository, "files" | "objects">): Promise<void>;
  /** What its network card has sent since the last call. */
  sentBytes(): Promise<number>;
  /** All of its answers share a line like this one, as the devices of a home do. */
  limit(kbitPerS: number): Promise<void>;
};

export async function startWeb(lan: Lan, name = "web"): Promise<WebHost> {
  await lan.addHost(name);
  const folder = join(lan.folder(name), "served");
  await mkdir(folder, { recursive: true });
  const server = lan.spawn(name, [process.execPath, join(import.meta.dirname, "web-host.ts"), folder, "80"]);
  await server.says(/serves/, 30_000);
  let before = 0;
  return {
    url: `http://${lan.address(name)}`,
    async put({ files, objects }) {
      const packed = [...objects].map(([sha256, content]) => [objectPath(sha256), zstdCompressSync(content)] as const);
      for (const [path, bytes] of [...files, ...packed]) {
        await mkdir(dirname(join(folder, path)), { recursive: true });
        await writeFile(join(folder, path), bytes);
      }
    },
    async sentBytes() {
      const sent = Number(await lan.on(name)(["cat", "/sys/class/net/eth0/statistics/tx_bytes"]));
      const since = sent - before;
      before = sent;
      return since;
    },
    async limit(kbitPerS) {
      const line = ["rate", `${kbitPerS}kbit`, "burst", "16kb", "latency", "300ms"];
      await lan.on(name)(["tc", "qdisc", "replace", "dev", "eth0", "root", "tbf", ...line]);
    },
  };
}
