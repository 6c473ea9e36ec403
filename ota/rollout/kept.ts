// What of the view outlives a restart. Monotonic times end with the boot, so how long ago each was is kept instead.
// Pure.
import { z } from "zod";
import { areSame } from "./holds.ts";
import { emptyView, type HeardNumber, type HeardResult, type Own, type View } from "./view.ts";

const Id = z.string().max(64);
const Version = z.string().min(1).max(64);
const AgoMs = z.number().min(0);
const Tries = z.object({ number: z.int().min(0), count: z.int().min(0) });
const KeptResult = z.object({
  device: Id,
  said: z.int().min(1),
  rollout: Id,
  order: z.int().min(0),
  release: Version,
  outcome: z.enum(["began", "updated", "failed", "fellBack", "stayed", "unfit"]),
  check: z.string().max(64).exactOptional(),
  trialSeconds: z.int().min(0).exactOptional(),
  rootHash: z.string().max(64).exactOptional(),
  tries: Tries.exactOptional(),
  elsewhere: z
    .array(Tries.extend({ rollout: Id }))
    .max(16)
    .exactOptional()
    .describe("tries in other rollouts"),
  agoMs: AgoMs,
});
const KeptAway = z.object({
  step: z.literal("away"),
  rollout: Id,
  order: z.int().min(0),
  release: Version,
  trialSeconds: z.int().min(0),
  lastEndWallMs: z.number(),
  agoMs: AgoMs,
});
const KeptNumber = z.object({
  number: z.int().min(0),
  failed: z
    .array(z.object({ device: Id, said: z.int().min(1) }))
    .max(4096)
    .exactOptional(),
  agoMs: AgoMs,
});
export const KeptView = z.object({
  own: KeptAway.exactOptional().describe("this device has begun its own update"),
  progress: z
    .array(
      z.object({
        rollout: Id,
        wave: z.int().min(0),
        isFinished: z.boolean(),
        hasNobody: z.literal(true).exactOptional(),
        quietForMs: AgoMs.exactOptional(),
        awayAgoMs: AgoMs.exactOptional(),
        pausedAt: z.int().min(0).exactOptional(),
        pausedForMs: AgoMs.exactOptional(),
        delayedMs: z.number().min(0),
        heard: KeptNumber.exactOptional(),
        agoMs: AgoMs,
      }),
    )
    .max(64),
  results: z.array(KeptResult).max(4096),
  holds: z
    .array(z.object({ device: Id, untilWallMs: z.number(), lastsMs: z.number().min(0), agoMs: AgoMs }))
    .max(512)
    .exactOptional()
    .describe("how long ago each was first heard"),
  roots: z
    .array(z.object({ release: Version, rootHash: z.string().max(64), agoMs: AgoMs }))
    .max(8)
    .exactOptional()
    .describe("what the manifests of releases name for this device's board"),
});
export type KeptView = z.infer<typeof KeptView>;

export function keptOf({ own, progress, results, holds, roots }: View, nowMs: number): KeptView {
  const ago = (atMs: number) => Math.max(0, nowMs - atMs);
  const away = own.step === "away" && own;
  return {
    ...(away && { own: withoutTime(away) }),
    progress: [...progress].map(
      ([rollout, { waveSinceMs, pausedAt, pausedSinceMs, hasNobody, quietSinceMs, awayAtMs, heard, ...rest }]) => ({
        ...{ rollout, ...rest, agoMs: ago(waveSinceMs) },
        ...(hasNobody && { hasNobody }),
        ...(quietSinceMs !== undefined && { quietForMs: ago(quietSinceMs) }),
        ...(awayAtMs !== undefined && { awayAgoMs: ago(awayAtMs) }),
        ...(pausedAt !== undefined && { pausedAt }),
        ...(pausedSinceMs !== undefined && { pausedForMs: ago(pausedSinceMs) }),
        ...(heard && { heard: keptNumber(heard) }),
      }),
    ),
    results: [...results.values()].map(({ heardAtMs, check, trialSeconds, rootHash, tries, elsewhere, ...result }) => ({
      ...{ ...result, agoMs: ago(heardAtMs) },
      ...(check !== undefined && { check }),
      ...(trialSeconds !== undefined && { trialSeconds }),
      ...(rootHash !== undefined && { rootHash }),
      ...(tries && { tries }),
      ...(elsewhere && { elsewhere: [...elsewhere] }),
    })),
    holds: holds.map(({ device, untilWallMs, lastsMs, heardAtMs }) => ({
      ...{ device, untilWallMs, lastsMs, agoMs: ago(heardAtMs) },
    })),
    roots: roots.map(({ sinceMs, ...root }) => ({ ...root, agoMs: ago(sinceMs) })),
  };
  function keptNumber({ number, sinceMs, failed }: HeardNumber) {
    return { number, ...(failed && { failed: [...failed] }), agoMs: ago(sinceMs) };
  }
  function withoutTime({ sinceMs, ...rest }: Extract<Own, { step: "away" }>) {
    return { ...rest, agoMs: ago(sinceMs) };
  }
}

/** Whether there is nothing to save. How long absences have lasted grows all the time, and may be some minutes old. */
export const isKeptAlike = (one: View, other: View): boolean =>
  one.own === other.own &&
  one.results === other.results &&
  one.roots === other.roots &&
  areSame(one.holds, other.holds) &&
  isCourseAlike(one.progress, other.progress);

function isCourseAlike(one: View["progress"], other: View["progress"]): boolean {
  if (one === other) return true;
  return (
    one.size === other.size &&
    [...one].every(([rollout, { wave, isFinished, hasNobody, pausedAt, heard }]) => {
      const same = other.get(rollout);
      const isAlike =
        same?.isFinished === isFinished && same.hasNobody === hasNobody && same.heard?.number === heard?.number;
      return isAlike && same.wave === wave && same.pausedAt === pausedAt;
    })
  );
}

/** The view of a device that has just started. The time that it was off counts for nothing, so a soak only gets longer by it. */
export function restored(kept: KeptView, self: string, trialSeconds: number, nowMs: number): View {
  const results = kept.results.map(({ agoMs, ...result }): [string, HeardResult] => [
    result.device,
    { ...result, heardAtMs: nowMs - agoMs },
  ]);
  const { agoMs = 0, ...away } = kept.own ?? {};
  return {
    ...emptyView(self, trialSeconds, nowMs),
    results: new Map(results),
    holds: (kept.holds ?? []).map(({ agoMs, ...hold }) => ({ ...hold, reason: "", heardAtMs: nowMs - agoMs })),
    roots: (kept.roots ?? []).map(({ agoMs, ...root }) => ({ ...root, sinceMs: nowMs - agoMs })),
    progress: new Map(
      kept.progress.map(({ rollout, agoMs, quietForMs, awayAgoMs, pausedForMs, heard, ...rest }) => {
        const times = {
          ...(quietForMs !== undefined && { quietSinceMs: nowMs - quietForMs }),
          ...(awayAgoMs !== undefined && { awayAtMs: nowMs - awayAgoMs }),
          ...(pausedForMs !== undefined && { pausedSinceMs: nowMs - pausedForMs }),
          ...(heard && { heard: { number: heard.number, failed: heard.failed, sinceMs: nowMs - heard.agoMs } }),
        };
        return [rollout, { ...rest, ...times, waveSinceMs: nowMs - agoMs }];
      }),
    ),
    ...(kept.own && { own: { ...(away as Omit<typeof kept.own, "agoMs">), sinceMs: nowMs - agoMs } }),
  };
}
