// A bad line between a device and the hub: slow, lossy, and dead now and then. The same seed loses the same frames.
// Pure: whoever sends a frame passes the time in.
import { z } from "zod";
import { draw, type Random } from "../../../system/random.ts";

export const LineTerms = z
  .strictObject({
    kbit: z.number().min(1).max(1_000_000).optional().describe("1000 bits a second, each way"),
    lossPercent: z.number().min(0).max(100).optional().describe("of the frames, each way"),
    dropEveryMs: z.int().min(2_000).optional().describe("dead for the last second of each period of this length"),
    seed: z.int().min(0).default(1),
  })
  .refine(
    ({ kbit, lossPercent, dropEveryMs }) => (kbit ?? lossPercent ?? dropEveryMs) !== undefined,
    "a line without kbit, loss and drops is a good one",
  );
export type LineTerms = z.infer<typeof LineTerms>;

const deadMs = 1_000;
/** A router at home holds about that much before it drops frames. */
const queueMs = 1_000;

export type Line = { terms: LineTerms; startedMs: number; up: Way; down: Way };
/** One direction. */
type Way = { busyUntilMs: number; random: Random };

export const makeLine = (terms: LineTerms, nowMs: number): Line => ({
  terms,
  startedMs: nowMs,
  up: { busyUntilMs: nowMs, random: { seed: terms.seed } },
  down: { busyUntilMs: nowMs, random: { seed: ~terms.seed } },
});

/** When a frame of this size arrives at the other end; undefined if it is lost. Advances the line. */
export function arrival(line: Line, way: "up" | "down", sizeBytes: number, nowMs: number): number | undefined {
  const { kbit, lossPercent = 0, dropEveryMs } = line.terms;
  // Drawn for each frame, so that what is lost does not depend on the rest.
  if (draw(line[way].random) * 100 < lossPercent) return undefined;
  if (dropEveryMs !== undefined && (nowMs - line.startedMs) % dropEveryMs >= dropEveryMs - deadMs) return undefined;
  if (kbit === undefined) return nowMs;
  const startMs = Math.max(nowMs, line[way].busyUntilMs);
  if (startMs - nowMs > queueMs) return undefined;
  line[way].busyUntilMs = startMs + (sizeBytes * 8) / kbit;
  return line[way].busyUntilMs;
}

export const describeLine = ({ kbit, lossPercent, dropEveryMs }: LineTerms): string =>
  [
    ...(kbit === undefined ? [] : [`${kbit} kbit/s`]),
    ...(lossPercent === undefined ? [] : [`${lossPercent} % loss`]),
    ...(dropEveryMs === undefined ? [] : [`dead for a second every ${dropEveryMs / 1000} s`]),
  ].join(", ");
