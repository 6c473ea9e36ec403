// How much slower this machine is now than the one on which the limits were chosen, at least 1. Multiply limits by it.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

/** Time of the loop below on one idle core of the machine where the limits were chosen, ms. */
const referenceMs = 110;

export function measureSlowness(): number {
  const block = Buffer.alloc(64 << 10, 1);
  let best = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 3; attempt++) {
    const startedAt = performance.now();
    let sum = 0;
    for (let count = 0; count < 400; count++) {
      sum += createHash("sha256").update(block).digest()[0]!;
      for (let step = 0; step < 50_000; step++) sum = (sum * 31 + step) | 0;
    }
    if (sum === 0.5) throw new Error("never: keeps the loop from being optimised away");
    best = Math.min(best, performance.now() - startedAt);
  }
  return Math.max(1, best / referenceMs);
}

/** The slowness measured when the test run began. */
export const slowness = (): number => Number(process.env["HAMLET_TEST_SLOWNESS"] ?? 1);

/** How many programs want each core now, at least 1: everything takes that much longer than on an idle machine. */
export function crowding(): number {
  const [, running = "1"] = / (\d+)\/\d+ /.exec(readFileSync("/proc/loadavg", "utf8")) ?? [];
  return Math.max(1, Number(running) / availableParallelism());
}
