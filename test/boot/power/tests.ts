// The tests of a recorded update: its disk at any power cut, and that the checker finds what a worse updater would do.
import { beforeAll, describe, expect, test } from "vitest";
import { moveBefore, type Numbered, strikeFlushes } from "./log.ts";
import { type Promises, readPromises } from "./promises.ts";
import { problemsOf, proveStates } from "./proof.ts";
import type { Recording } from "./recording.ts";

export function testPowerCuts(record: () => Promise<Recording>): void {
  describe("power may go at any write of an update", () => {
    let recording: Recording;
    let promises: Promises;
    beforeAll(async () => {
      recording = await record();
      promises = await readPromises(recording);
    });

    test("each of 1,000 disks starts a release that verifies, and from 500 the updater recovers", async () => {
      const proof = await proveStates(recording, { count: 1_000, seed: 1, recovered: 500, checked: 50 });
      expect(proof.problems).toEqual([]);
      expect(proof).toMatchObject({ states: 1_000, recovered: 500, checked: 50 });
      expect(proof.critical).toBeGreaterThanOrEqual(500);
      expect(proof.second).toBeGreaterThanOrEqual(200);
      expect(proof.slowMs).toBeLessThan(100);
    });

    type Worse = { entries: Numbered[]; near: { from: number; until: number } };
    test.each<[string, (promises: Promises, entries: Numbered[]) => Worse, RegExp]>([
      [
        "does not flush between the slot's last write and the arming",
        ({ good: { lastWrite, armed } }, entries) => ({
          entries: strikeFlushes(entries, lastWrite, armed),
          near: { from: lastWrite, until: armed },
        }),
        /^slot b (does not verify for|has not the tree that) hamlet_0\.2\.0\+3\.efi/,
      ],
      [
        "does not flush its commit",
        ({ good: { judging, judged } }, entries) => ({
          entries: strikeFlushes(entries, judging, judged + 1),
          near: { from: judging, until: judged },
        }),
        /^hamlet_0\.2\.0\+2-1\.efi starts, but hamlet_0\.2\.0\.efi was promised$/,
      ],
      [
        "does not flush the mark of a bad release",
        ({ bad: { judging, judged } }, entries) => ({
          entries: strikeFlushes(entries, judging, judged + 1),
          near: { from: judging, until: judged },
        }),
        /^hamlet_0\.2\.1\+2-1\.efi starts, but hamlet_0\.2\.0\.efi was promised$/,
      ],
      [
        "arms before it writes",
        ({ good: { arming, armed, firstWrite, lastWrite } }, entries) => ({
          entries: moveBefore(entries, { from: arming, until: armed + 1 }, firstWrite),
          near: { from: firstWrite, until: lastWrite },
        }),
        /^slot b (does not verify for|has not the tree that) hamlet_0\.2\.0\+3\.efi/,
      ],
    ])("the checker finds an updater that %s", async (_, worsen, problem) => {
      const { entries, near } = worsen(promises, recording.entries);
      expect(await problemsOf(recording, promises, entries, near)).toContainEqual(expect.stringMatching(problem));
    });
  });
}
