// The agent's part of updates as a program of its own: `node agent.mjs <socket> <url> <state folder>`. Passes on each line of its
// input as a request to the updater.
import { createInterface } from "node:readline";
import { startApi } from "../../../agent/api/server.ts";
import { startUpdate } from "../../../agent/update/update.ts";
import { UpdateRequest } from "../../../provisioning/handover/update.ts";
import { sleep, systemClock } from "../../../system/clock.ts";
import { makeLog } from "../../../system/log.ts";

const [, , socket = "", url = "", stateFolder = ""] = process.argv;
const update = await startUpdate({
  ...{ board: "nuc", slots: [] },
  repositories: [url],
  settings: { metered: false, verdictSeconds: 180 },
  hasUpdater: true,
  stateFolder,
  log: makeLog("update"),
  evidence: async () => ({
    ...{ phase: "member", hasPage: true, hasMesh: true },
    ...{ handshakes: [], alive: [], telemetry: "none" },
  }),
  warnings: { raise: () => {}, clear: () => {} },
  clock: systemClock,
});
await startApi(
  socket,
  update.serve((_, response) => response.writeHead(404).end()),
);
console.log("ready");
for await (const line of createInterface({ input: process.stdin })) {
  // A request that comes during a check begins no other one.
  while (update.report()?.activity.phase === "checking") await sleep(1);
  // The updater starts at the same time, and an agent that has not heard of it refuses.
  for (let isTaken = false; !isTaken; ) {
    isTaken = await update.ask(UpdateRequest.parse({ kind: line })).then(
      () => true,
      () => sleep(5).then(() => false),
    );
  }
}
process.exit();
