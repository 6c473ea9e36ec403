// A program for the tests: discovery, greeter and door as an agent puts them together, with records that prove nothing.
// `node discoverer.ts <name> <seed>...` says each event in a line and answers for hamlet.local; SIGTERM lets it say goodbye.
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
// 26 characters of base32, different for each name.
const id = `${Buffer.from(name)
  .toString("hex")
  .replaceAll(/[0189]/g, "z")}${"a".repeat(26)}`.slice(0, 26);
const helloPort = 7780;
const hello = { record: `${name}.b.c`, revocations: [] };

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
