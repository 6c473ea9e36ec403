import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { describeBoot, ownBootControl } from "../../../cli/commands/boot/boot.ts";

const running = { slot: "a", version: "1.0" } as const;
const trial = { slot: "b", version: "1.1" } as const;

test("status shows what runs, what starts next and how the last trial ended", () => {
  expect(describeBoot({ ...running, phase: "settled" })).toEqual([
    "running     slot a, version 1.0",
    "next start  the same",
  ]);
  expect(describeBoot({ ...running, phase: "armed", trial, triesLeft: 3 })[1]).toBe(
    "next start  slot b, version 1.1, on trial (3 starts)",
  );
  expect(describeBoot({ ...trial, phase: "trying", triesLeft: 1, isMarkedBad: false })).toEqual([
    "running     slot b, version 1.1, on trial, no verdict yet",
    "next start  this trial again (1 start left), unless committed",
  ]);
  expect(describeBoot({ ...trial, phase: "trying", triesLeft: 0, isMarkedBad: true })[1]).toBe(
    "next start  the other slot",
  );
  expect(describeBoot({ ...running, phase: "reverted", trial, because: "markedBad" })[2]).toBe(
    "last trial  slot b, version 1.1: it was marked bad",
  );
});

test("boot commands need root on a device, and say so on any other computer", async () => {
  const root = mkdtempSync(join(tmpdir(), "hamlet-own-"));
  try {
    await expect(ownBootControl({ root, userId: 1000 })).rejects.toMatchObject({ code: "boot.unsupported" });
    mkdirSync(join(root, "usr/lib/hamlet"), { recursive: true });
    writeFileSync(
      join(root, "usr/lib/hamlet/release.json"),
      JSON.stringify({ board: "nuc", version: "1.0", builtS: 1 }),
    );
    await expect(ownBootControl({ root, userId: 1000 })).rejects.toMatchObject({
      code: "device.needsRoot",
      exitCode: 2,
      hint: expect.stringContaining("as root"),
    });
    await expect(ownBootControl({ root, userId: 0 })).resolves.toHaveProperty("commit");
  } finally {
    rmSync(root, { recursive: true });
  }
});
