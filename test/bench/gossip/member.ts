// `member <people file> <index>`: one member of the gossip benchmark, run in a namespace: the cluster without the rest of the agent.
import { readFileSync } from "node:fs";
import { startCluster } from "../../../agent/cluster/cluster.ts";
import { livenessSigner } from "../../../agent/cluster/proofs.ts";
import { importSigningKey } from "../../../provisioning/trust/keys.ts";
import { systemClock } from "../../../system/clock.ts";
import { silentLog } from "../../../system/log.ts";

export type Person = { id: string; address: string; deviceKey: string; privateKey: string };

const [, , path = "", index = "0"] = process.argv;
const people: Person[] = JSON.parse(readFileSync(path, "utf8"));
const self = people[Number(index)]!;
await startCluster({
  self: { id: self.id, signLiveness: livenessSigner(importSigningKey(self.privateKey).privateKey) },
  address: self.address,
  port: 7946,
  members: () => new Map(people.map(({ id, address, deviceKey }) => [id, { address, deviceKey }])),
  documents: [],
  clock: systemClock,
  log: silentLog,
  onChange(liveness) {
    const states = [...liveness.values()].map(({ state }) => state);
    console.log(`alive ${states.filter((state) => state === "alive").length} of ${states.length}`);
    if (states.includes("dead")) console.log("dead");
  },
});
