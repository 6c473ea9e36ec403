// Test program: discovery, greeter and doorstep wired as in an agent, with dummy records. `node discoverer.ts <name> <seed>...`
// prints one line per event and answers for hamlet.local; on SIGTERM it says goodbye.
import { startDiscovery } from "../../agent/discovery/discovery.ts";
import { startDoorstep } from "../../agent/discovery/doorstep.ts";
import { startGreeter } from "../../agent/discovery/greeter.ts";
import { sayHello } from "../../agent/discovery/hello.ts";
import { makeLog } from "../../system/log.ts";

const [name = "attic", ...seeds] = process.argv.slice(2);
const say = (line: string) => process.stdout.write(`${line}\n`);
const log = makeLog(name);
const warnings = {
  raise: (code: string, _message: string, _hint: string, subject = "") => say(`warning ${code} ${subject}`),
  clear: () => {},
};
// A base32 id of 26 characters, derived from the name.
const id = `${Buffer.from(name)
  .toString("hex")
  .replaceAll(/[0189]/g, "z")}${"a".repeat(26)}`.slice(0, 26);
const helloPort = 7780;
const hello = { record: `${name}.b.c`, known: [], revocations: [] };

const doorstep = await startDoorstep({
  ports: [helloPort],
  onHello: async ({ record }, from) => {
    say(`heard ${record.split(".")[0]} ${from}`);
    return hello;
  },
  page: (_request, response) => response.end(name),
  ...{ log, warnings },
});
const greeter = startGreeter({
  async greet({ address, port }) {
    const answer = await sayHello(address, port, hello);
    say(`greeted ${answer.record.split(".")[0]} ${address}`);
    discovery.answered(address);
    return undefined;
  },
  log,
});
const discovery = await startDiscovery({
  ...{ self: { id, name, hint: "0011aabb", helloPort }, seeds, log, warnings },
  answersForAll: () => true,
  onNeighbor(neighbor) {
    say(`neighbor ${neighbor.name ?? "seed"} ${neighbor.address} ${neighbor.epoch ?? ""}`);
    greeter.hint(neighbor);
  },
});
say("up");
process.on("SIGUSR2", () => say(`table ${discovery.neighbors().length} ${process.memoryUsage.rss()}`));
process.once("SIGTERM", async () => {
  greeter.stop();
  await Promise.all([discovery.stop(), doorstep.stop()]);
  say("down");
});
