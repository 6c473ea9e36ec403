// Test program: a host that asks by mDNS. `node asker.ts <own address> <name> <type> <questions> <ms between>` prints how many
// questions it asked and how many matching answers it heard.
import { createSocket } from "node:dgram";
import { setTimeout as sleep } from "node:timers/promises";
import dns from "dns-packet";
import { readDns } from "../../system/dns.ts";

const [own = "", name = "", type = "A", questions = "1", everyMs = "1000"] = process.argv.slice(2);
let heard = 0;
const socket = createSocket({ type: "udp4", reuseAddr: true });
socket.on("message", (message, { address }) => {
  const packet = address === own ? undefined : readDns(message);
  if (packet?.isResponse && packet.answers.some((answer) => answer.name === name && answer.type === type)) heard += 1;
});
await new Promise<void>((resolve) => socket.bind(5353, "0.0.0.0", resolve));
socket.addMembership("224.0.0.251", own);
socket.setMulticastInterface(own);
const query = dns.encode({ type: "query", id: 0, flags: 0, questions: [{ type, name, class: "IN" }] });
for (let n = 0; n < Number(questions); n++) {
  await new Promise((resolve) => socket.send(query, 5353, "224.0.0.251", resolve));
  await sleep(Number(everyMs));
}
// Outstanding answers arrive within a second.
await sleep(1_500);
console.log(`asked ${questions} heard ${heard}`);
socket.close();
