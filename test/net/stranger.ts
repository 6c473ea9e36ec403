// Test program: a stranger on the link. `node stranger.ts <own address> <port>` takes the neighborhood's hint from what it hears, announces
// itself with it, keeps every hello that devices say to it, says each again to all others, and prints what it got, a JSON line each.
import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { encodeBase32 } from "../../provisioning/trust/base32.ts";
import { readDns } from "../../system/dns.ts";

const dns = createRequire(createRequire(import.meta.url).resolve("multicast-dns"))("dns-packet");
const [own = "", port = "9999"] = process.argv.slice(2);
const say = (kind: string, text: string, from: string) => console.log(JSON.stringify({ kind, text, from }));
const id = encodeBase32(randomBytes(16));
const name = `stranger-${id.slice(0, 8)}._hamlet._udp.local`;
const service = "_hamlet._udp.local";
const homes = new Map<string, number>();
const socket = createSocket({ type: "udp4", reuseAddr: true });
const send = (packet: Buffer) => socket.send(packet, 5353, "224.0.0.251");

socket.on("message", (message, { address }) => {
  const packet = address === own ? undefined : readDns(message);
  for (const { type, data } of packet?.isResponse ? [...packet.answers, ...packet.additionals] : []) {
    if (type !== "TXT" || !Array.isArray(data)) continue;
    const items = Object.fromEntries(data.map((item) => String(item).split("=")));
    if (homes.has(address) || items.n === undefined) continue;
    homes.set(address, Number(items.p));
    say("announced", data.map(String).join(" "), address);
    const txt = ["v=1", `n=${items.n}`, `id=${id}`, `p=${port}`, "e=1"];
    const answers = [
      { type: "PTR", name: service, ttl: 4500, data: name },
      {
        type: "SRV" as const,
        class: "IN",
        name,
        ttl: 120,
        data: { port: Number(port), target: "stranger.local" },
      },
      { type: "TXT", name, ttl: 4500, data: txt },
    ];
    send(dns.encode({ type: "response", id: 0, flags: 1 << 10, answers }));
  }
});
await new Promise<void>((resolve) => socket.bind(5353, "0.0.0.0", resolve));
socket.addMembership("224.0.0.251", own);
socket.setMulticastInterface(own);

const tell = async (address: string, body: string) => {
  const answer = await fetch(`http://${address}:${homes.get(address)}/v1/hello`, { method: "POST", body });
  return { status: answer.status, text: await answer.text() };
};
createServer(async (request, response) => {
  let body = "";
  for await (const chunk of request) body += chunk;
  const from = request.socket.remoteAddress!.replace("::ffff:", "");
  say("heard", body, from);
  // It passes the hello on to another device and the answer back, and then says it once more, there and to the rest.
  const others = [...homes.keys()].filter((address) => address !== from);
  const passed = others[0] === undefined ? { status: 403, text: "{}" } : await tell(others[0], body);
  say("passed", passed.text, from);
  response.writeHead(passed.status).end(passed.text);
  if (!body.includes("sealed")) return;
  for (const address of homes.keys()) say("replayed", `${(await tell(address, body)).status}`, address);
}).listen(Number(port), "0.0.0.0");
setInterval(
  () => send(dns.encode({ type: "query", id: 0, flags: 0, questions: [{ type: "PTR", name: service, class: "IN" }] })),
  1_000,
);
