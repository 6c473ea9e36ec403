// Test program: discovery, greeter and doorstep wired as in an agent, with dummy records. `node discoverer.ts <name> <seed>...`
// prints one line per event and answers for hamlet.local; on SIGTERM it says goodbye.
import { startDiscovery } from "../../agent/discovery/discovery.ts";
import { startDoorstep } from "../../agent/discovery/doorstep.ts";
import { startGreeter } from "../../agent/discovery/greeter.ts";
import { makeHearing } from "../../agent/discovery/hearing.ts";
import { sayHello } from "../../agent/discovery/hello.ts";
import { signingKeyFromSeed } from "../../provisioning/trust/keys.ts";
import { deviceIdOf } from "../../provisioning/trust/names.ts";
import { wireguardPrivateKeyOf } from "../../provisioning/trust/wireguard-key.ts";
import { makeLog } from "../../system/log.ts";

const [name = "attic", ...seeds] = process.argv.slice(2);
const say = (line: string) => process.stdout.write(`${line}\n`);
const log = makeLog(name);
const warnings = {
  raise: (code: string, _message: string, _hint: string, subject = "") => say(`warning ${code} ${subject}`),
  clear: () => {},
};
const key = signingKeyFromSeed(Buffer.from(name.padEnd(32)).toString("base64url"));
const speaker = { id: deviceIdOf(key.publicKey), neighborhood: "elm" };
const { id } = speaker;
const helloPort = 7780;
const hello = { record: `${name}.b.c`, presence: "p".repeat(86), known: [], revocations: [] };

const doorstep = await startDoorstep({
  ports: [helloPort],
  hear: makeHearing({
    ...speaker,
    wireguardKey: wireguardPrivateKeyOf(key),
    clock: { monotonic: () => performance.now() },
    onHello: async ({ record }, _talk, from) => {
      say(`heard ${record.split(".")[0]} ${from}`);
      return hello;
    },
  }),
  onOrders: async () => [],
  onQuestion: async () => ({}),
  page: (_request, response) => response.end(name),
  ...{ log, warnings },
});
const greeter = startGreeter({
  async greet(place) {
    const { address } = place;
    const answer = await sayHello(place, speaker, () => hello);
    say(`greeted ${answer.hello.record.split(".")[0]} ${address}`);
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
