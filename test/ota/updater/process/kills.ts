// Kills a real updater at random moments of an update, and starts it again each time: what the loader would start always verifies, and the
// update ends as it would have.
import { strict as assert } from "node:assert";
import { eventually } from "../../../eventually.ts";
import { healthy } from "../agent.ts";
import { type Random, randomFrom } from "../model.ts";
import { makeRepository } from "../repository.ts";
import { makeDevice, type ProcessDevice } from "./device.ts";

export type Tally = { updates: number; kills: number; restarts: number; committed: number; returned: number };

/** One update after the other until `isOver`, every third of a release whose agent is silent. */
export async function killUpdates(program: string, seed: number, isOver: (tally: Tally) => boolean): Promise<Tally> {
  const random = randomFrom(seed);
  const tally: Tally = { updates: 0, kills: 0, restarts: 0, committed: 0, returned: 0 };
  const repository = makeRepository();
  const first = repository.makeRelease("1.0", { rootBytes: 256 * 4096 });
  repository.publish(first);
  const next = repository.publish(repository.makeRelease("1.1", { from: first, rootBytes: 256 * 4096 }));
  /** From the start of a process to its end, in the middle: later ones are killed within that. */
  let usualMs = 2_000;
  while (!isOver(tally)) {
    const device = await makeDevice(program, repository, [first, next]);
    const isBad = tally.updates++ % 3 === 2;
    device.evidenceOf = (version) => (isBad && version === "1.1" ? undefined : { ...healthy, verdictSeconds: 60 });
    try {
      usualMs = await killOne(device, isBad, usualMs, random, tally);
      tally[isBad ? "returned" : "committed"] += 1;
    } catch (error) {
      throw new Error(`seed ${seed}, update ${tally.updates}: ${(error as Error).message}`, { cause: error });
    } finally {
      await device.close();
    }
  }
  return tally;
}

async function killOne(device: ProcessDevice, isBad: boolean, usualMs: number, random: Random, tally: Tally) {
  const isEnd = () => {
    const report = device.agent.last();
    return report?.activity.phase === "idle" && report.history.some(({ to }) => to === "1.1");
  };
  let [killsLeft, longestMs] = [1 + Math.floor(random() * 4), 0];
  device.powerOn();
  device.agent.ask({ kind: "now" });
  for (let starts = 0; starts < 40; starts++) {
    device.agent.reports.length = 0;
    const startedAt = performance.now();
    device.start();
    const ended = device.ended();
    const how =
      killsLeft > 0 ? await killWithin(device, ended, random() * usualMs) : await untilEnd(device, ended, isEnd);
    longestMs = Math.max(longestMs, performance.now() - startedAt);
    device.check();
    if (how === "over") break;
    if (how === "killed") {
      tally.kills += 1;
      killsLeft -= 1;
      // Killed before it had kept the wish: whoever asks, asks again.
      if (
        device.running()?.version === "1.0" &&
        !device.kept().includes("wanted.json") &&
        !device.kept().includes("history.json")
      )
        device.agent.ask({ kind: "now" });
    } else {
      tally.restarts += 1;
      device.powerOn();
    }
  }
  const { running, failed } = device.agent.last()!;
  assert.deepEqual(running, isBad ? { slot: "a", version: "1.0" } : { slot: "b", version: "1.1" });
  assert.deepEqual(failed, isBad ? ["1.1"] : []);
  assert.ok(!device.kept().includes("armed.json"), "a trial is still open");
  return longestMs;
}

type Ended = ReturnType<ProcessDevice["ended"]>;
async function killWithin(device: ProcessDevice, ended: Ended, afterMs: number): Promise<"killed" | "restart"> {
  const timer = setTimeout(device.kill, afterMs);
  const { how } = await ended;
  clearTimeout(timer);
  return how;
}

async function untilEnd(
  device: ProcessDevice,
  ended: Ended,
  isEnd: () => boolean | undefined,
): Promise<"over" | "restart"> {
  let how: "killed" | "restart" | undefined;
  void ended.then((end) => {
    how = end.how;
  });
  await eventually(() => how !== undefined || isEnd() === true, { within: 30_000, every: 10 });
  if (how === "restart") return how;
  if (how === "killed") throw new Error("the updater ended by itself");
  device.kill();
  await ended;
  return "over";
}
