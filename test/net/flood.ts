// Test program: floods the LAN with mDNS. `node flood.ts <kind> <packets> <source address>...` sends services, queries or garbage;
// `empty`: headers that claim no records; `counts`: headers that claim 4 x 65,535 records; `pointers`: compressed questions.

import { randomBytes } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";

const { encode } = createRequire(createRequire(import.meta.url).resolve("multicast-dns"))("dns-packet");
const [kind = "services", packets = "1000", ...sources] = process.argv.slice(2);
const base32 = "abcdefghijklmnopqrstuvwxyz234567";
const randomId = () => Array.from(randomBytes(26), (byte) => base32[byte & 31]).join("");

function service(): Buffer {
  const id = randomId();
  const name = `forged-${id.slice(0, 8)}._hamlet._udp.local`;
  const data = ["v=1", "n=0011aabb", `id=${id}`, "p=7780", "e=1"];
  const answers = [
    { type: "PTR", name: "_hamlet._udp.local", ttl: 4500, data: name },
    { type: "SRV", name, ttl: 120, data: { port: 7780, target: "forged.local" } },
    { type: "TXT", name, ttl: 4500, data },
  ];
  return encode({ type: "response", answers });
}
const query = (): Buffer =>
  encode({ type: "query", questions: Array.from({ length: 40 }, () => ({ type: "PTR", name: "_hamlet._udp.local" })) });
const head = (...counts: number[]) => {
  const bytes = Buffer.alloc(12);
  for (const [index, count] of counts.entries()) bytes.writeUInt16BE(count, 4 + 2 * index);
  return bytes;
};
const liar = head(65_535, 65_535, 65_535, 65_535);
const names = Buffer.from(
  `${"\x01a".repeat(120)}\x00\x00\x01\x00\x01${"\xc0\x0c\x00\x0c\x00\x01".repeat(1_450)}`,
  "latin1",
);
const pointing = Buffer.concat([head(1_451), names]);
const make =
  {
    empty: () => head(),
    counts: () => liar,
    pointers: () => pointing,
    services: service,
    queries: query,
    garbage: () => randomBytes(200),
  }[kind] ?? service;

const sockets = await Promise.all(
  sources.map(
    (source) =>
      new Promise<Socket>((resolve) => {
        const socket = createSocket({ type: "udp4", reuseAddr: true });
        socket.bind(5353, source, () => {
          socket.setMulticastInterface(source);
          resolve(socket);
        });
      }),
  ),
);
for (let n = 0; n < Number(packets); n++) {
  const socket = sockets[n % sockets.length]!;
  await new Promise((resolve) => socket.send(make(), 5353, "224.0.0.251", resolve));
  // About 5,000 packets a second: slow enough that a receiver reads them all.
  if (n % 50 === 49) await sleep(10);
}
for (const socket of sockets) socket.close();
