// How long one full sync stops the loop of a real member, on loopback: the longest turn in processor time, so that other
// programs do not count.
import { request } from "node:http";
import { startCluster } from "../../../agent/cluster/cluster.ts";
import { encodeSync, SYNC_BYTES } from "../../../agent/cluster/messages.ts";
import type { News } from "../../../agent/cluster/news.ts";
import { livenessSigner } from "../../../agent/cluster/proofs.ts";
import { generateSigningKey } from "../../../provisioning/trust/keys.ts";
import { deviceIdOf } from "../../../provisioning/trust/names.ts";
import { sleep, systemClock } from "../../../system/clock.ts";
import { silentLog } from "../../../system/log.ts";

const port = 17_949;

/** The longest of three. */
export async function longestStopMs(kind: "signed" | "forged"): Promise<number> {
  const people = Array.from({ length: 1_800 }, (_, index) => {
    const key = generateSigningKey();
    return { id: deviceIdOf(key.publicKey), key, address: `127.0.${8 + (index >> 7)}.${1 + (index & 127)}` };
  });
  const [self, mallory] = people as [(typeof people)[number], (typeof people)[number]];
  const members = new Map(people.map(({ id, key, address }) => [id, { address, deviceKey: key.publicKey }]));
  const cluster = await startCluster({
    self: { id: self.id, signLiveness: livenessSigner(self.key.privateKey) },
    ...{ address: self.address, port, documents: [], clock: systemClock, log: silentLog },
    members: () => members,
    onChange() {},
  });
  let longest = 0;
  for (let incarnation = 1; incarnation <= 3; incarnation++) {
    const news = people.slice(1).map(({ id, key }): News => {
      const claim = { id, incarnation, state: "alive" } as const;
      const signature = kind === "signed" ? livenessSigner(key.privateKey)(claim) : "A".repeat(86);
      return { ...claim, signature };
    });
    let body = encodeSync({ news, documents: [] });
    for (let count = news.length; body.length > SYNC_BYTES; ) {
      count -= 50;
      body = encodeSync({ news: news.slice(0, count), documents: [] });
    }
    const turns = watchTurns();
    await post(mallory.address, self.address, body);
    await sleep(2_000);
    longest = Math.max(longest, turns.longestMs());
  }
  await cluster.stop();
  return longest;
}

function watchTurns() {
  let longestUs = 0;
  let isWatching = true;
  let before = process.threadCpuUsage();
  const look = () => {
    const now = process.threadCpuUsage();
    longestUs = Math.max(longestUs, now.user + now.system - before.user - before.system);
    before = now;
    if (isWatching) setImmediate(look);
  };
  setImmediate(look);
  return {
    longestMs() {
      isWatching = false;
      return longestUs / 1_000;
    },
  };
}

const post = (from: string, to: string, body: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const asked = request({ host: to, port, localAddress: from, method: "POST", path: "/v1/sync", agent: false });
    asked.on("response", (answer) => answer.resume().on("end", resolve));
    asked.on("error", reject).end(body);
  });
