import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SessionFile } from "../../../agent/telemetry/session-file.ts";
import { Sessions } from "../../../ota/fleet/sessions.ts";
import { silentLog } from "../../../system/log.ts";

const [attic, mallory] = ["a".repeat(26), "m".repeat(26)] as const;
const clients = Array.from({ length: 16 }, (_, at) => `${String.fromCharCode(97 + at).repeat(26)}.home`);
const minute = 60_000;
let count = 0;
const message = (from: string, bytes: number) => ({
  key: `b:${++count}`,
  topic: `hamlet/${"n".repeat(26)}/${from}/warnings`,
  payload: Buffer.alloc(bytes, "x"),
  at: count,
});

test("whatever waits, and however it changes, the broker's host writes 1.6 MB a day of it, and something of each publisher", async () => {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-sessions-"));
  try {
    const path = join(folder, "sessions.json");
    const file = new SessionFile(path, silentLog);
    const sessions = new Sessions();
    for (const client of clients) {
      sessions.subscribe(client, [["hamlet/#", 1]]);
      sessions.attend(client, false, 0);
      sessions.put(client, message(attic, 100));
      for (let number = 0; number < 20; number++) sessions.put(client, message(mallory, 16_000));
    }
    let [bytes, last, writes] = [0, 0n, 0];
    for (let now = 0; now < 1_440 * minute; now += minute) {
      sessions.put(clients[0]!, message(mallory, 100));
      await file.save(sessions, now);
      const { mtimeNs, size } = await stat(path, { bigint: true });
      if (mtimeNs !== last) [bytes, last, writes] = [bytes + Number(size), mtimeNs, writes + 1];
    }
    expect([bytes < 1_600_000, writes > 3]).toEqual([true, true]);
    const read = new Sessions();
    const door = { isMember: () => true, mayRead: () => true, maySay: () => true, speaksFor: () => true };
    for (const news of await file.load()) read.hear(news, door, 0);
    for (const client of clients)
      expect(read.waiting(client).map(({ topic }) => topic)).toContain(message(attic, 0).topic);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("what changes seldom is written within a minute, the thirtieth time of a day too", async () => {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-sessions-"));
  try {
    const path = join(folder, "sessions.json");
    const file = new SessionFile(path, silentLog);
    const sessions = new Sessions();
    sessions.subscribe(clients[0]!, [["hamlet/#", 1]]);
    sessions.attend(clients[0]!, false, 0);
    let last = 0n;
    for (let now = 0; now < 30 * 45 * minute; now += 45 * minute) {
      sessions.put(clients[0]!, message(attic, 20));
      await file.save(sessions, now);
      const { mtimeNs } = await stat(path, { bigint: true });
      expect(mtimeNs).not.toBe(last);
      last = mtimeNs;
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});
