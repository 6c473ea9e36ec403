// What people hear of a lender that lies, and what the owner's settings leave of a device's line to others.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { expect, test } from "vitest";
import { Warnings } from "../../../agent/health/warnings.ts";
import { mayServeOthers, parseWindow } from "../../../agent/update/policy.ts";
import { startSwarm } from "../../../agent/update/swarm.ts";
import { unpackObject } from "../../../ota/format/unpack.ts";
import { systemClock as clock } from "../../../system/clock.ts";
import { HamletError } from "../../../system/error.ts";
import { silentLog } from "../../../system/log.ts";

test("a warning names the member that lent wrong bytes, until another release is fetched", async () => {
  const stateFolder = mkdtempSync(join(tmpdir(), "hamlet-swarm-"));
  const warnings = new Warnings(clock, silentLog);
  let release = "1.4.0";
  const { swarm } = await startSwarm({
    ...{ stateFolder, clock, warnings, release: () => release, mayFetchForOthers: () => true },
    ...{ slots: { paths: [], board: "nuc" }, log: silentLog },
    web: async () => {
      throw new HamletError("update.unreachable", "no repository answers");
    },
  });
  const wrong = async () => ({
    kind: "bytes" as const,
    bytes: zstdCompressSync(Buffer.from("wrong")),
    isProven: false,
  });
  const others = () => [{ id: "cellarcellar", name: "cellar", address: "fd00::2" }];
  swarm.join({ self: "atticattic", others, borrower: { ask: wrong, close() {} } });
  const ref = { kind: "object" as const, sha256: "0".repeat(64), sizeBytes: 5 };
  const need = { signal: new AbortController().signal, onCarried() {}, checkCost() {} };
  const obtain = () => swarm.obtain(ref, need, (bytes) => unpackObject(bytes, ref));
  await expect(obtain()).rejects.toMatchObject({ code: "update.unreachable" });
  expect(warnings.list()).toMatchObject([
    { code: "member.wrongBytes", severity: "warning", message: expect.stringMatching(/^cellar .*1\.4\.0/) },
  ]);
  expect(warnings.list()[0]!.hint).toMatch(/cellar/);
  release = "1.5.0";
  swarm.join({ self: "atticattic", others: () => [], borrower: { ask: wrong, close() {} } });
  await expect(obtain()).rejects.toMatchObject({ code: "update.unreachable" });
  expect(warnings.list()).toEqual([]);
  rmSync(stateFolder, { recursive: true });
});

test("a line that is metered, limited or outside its time of day is not for others", () => {
  const open = { window: undefined, isMetered: false, maxBytes: undefined };
  expect(mayServeOthers(open, 0)).toBe(true);
  expect(mayServeOthers({ ...open, isMetered: true }, 0)).toBe(false);
  expect(mayServeOthers({ ...open, maxBytes: 1_000_000 }, 0)).toBe(false);
  const window = parseWindow("02:00-05:30");
  expect([119, 120, 329, 330].map((minute) => mayServeOthers({ ...open, window }, minute))).toEqual([
    ...[false, true, true, false],
  ]);
});
