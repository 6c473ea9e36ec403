// What people see of a rollout: how far it is, how each device stands, and on what each waits.
// Pure. Times are ms since 1970.
import { z } from "zod";
import { compareVersions } from "../../image/boot/versions.ts";
import { RolloutPolicy } from "../../provisioning/trust/rollout-policy.ts";
import { currentOf, progressOf } from "./course.ts";
import { Nobody, whyNobody } from "./nobody.ts";
import { type Place, rank } from "./ranking.ts";
import type { KnownOrder, Order, View } from "./view.ts";
import { askingWait, outageWait, outerWait, ownWait, stopOf, type Wait, waveWait } from "./wait.ts";
import { hoursOf } from "./window.ts";

const EpochMs = z.number();
const Text = z.string().max(256);
const device = z.string().max(256).exactOptional().describe("one that has told so; absent for the reporting one");
const times = { since: EpochMs, until: EpochMs.exactOptional().describe("absent where nobody can know it") };
export const WaitShape = z.discriminatedUnion("on", [
  z.object({ on: z.literal("rollout"), rollout: Text, ...times }),
  z.object({
    on: z.literal("operator"),
    operators: z.array(Text).describe("who signed it; two if they disagree"),
    because: z.enum(["operatorsDisagree", "operatorRevoked"]).exactOptional(),
    ...times,
  }),
  z.object({ on: z.literal("failures"), devices: z.array(Text), ...times }),
  z.object({ on: z.literal("wave"), wave: z.int(), devices: z.array(Text), ...times }),
  z.object({ on: z.literal("soak"), wave: z.int(), ...times }),
  z.object({ on: z.literal("hold"), reason: Text, ...times }),
  z.object({ on: z.literal("window"), window: Text, zone: Text.exactOptional(), ...times }),
  z.object({ on: z.literal("absence"), device: Text, ...times }),
  z.object({ on: z.literal("word"), device: Text, ...times }),
  z.object({ on: z.literal("restart"), device: Text, ...times }),
  z.object({ on: z.literal("turn"), device: Text, ...times }),
  z.object({
    on: z.literal("lease"),
    because: z.enum(["held", "noMajority", "settling"]),
    holder: Text.exactOptional(),
    awaits: z
      .array(Text)
      .exactOptional()
      .describe("voters that do not answer, or the member that may know what voters forgot in their restart"),
    ...times,
  }),
  z.object({ on: z.literal("bytes"), doneBytes: z.number(), totalBytes: z.number(), ...times }),
  z.object({ on: z.literal("updater"), code: Text, device, ...times }),
  z.object({
    on: z.literal("people"),
    device,
    what: z.enum(["session", "install", "inhibitor"]),
    who: Text.exactOptional().describe("name of the program that asked systemd not to restart"),
    ...times,
  }),
  z.object({ on: z.literal("news"), ...times }),
]);
export type WaitShape = z.infer<typeof WaitShape>;

export const RolloutMember = z.object({
  id: z.string(),
  standing: z.enum(["waiting", "updating", "updated", "failed", "unfit", "held", "absent", "passedOver", "silent"]),
  wave: z.int().exactOptional(),
  check: Text.exactOptional().describe("code of the check that failed, or of why the release is not for it"),
  until: EpochMs.exactOptional().describe("when a device that is updating counts as failed"),
  waits: WaitShape.exactOptional(),
});
export type RolloutMember = z.infer<typeof RolloutMember>;
const { waves, soakSeconds, successPercent, maxFailures, window } = RolloutPolicy.shape;
const AutoTerms = z.object({
  publisher: Text.describe("digest of the keys of the release root"),
  ...{ waves, soakSeconds, successPercent, maxFailures, window },
  hasZone: z.boolean().describe("the reporting device knows its time zone; without, it is free at any hour"),
});
export const RolloutStatus = z.object({
  rollout: z.string(),
  number: z.int(),
  release: z.string(),
  operators: z.array(z.string()).describe("names of who signed it"),
  auto: AutoTerms.exactOptional().describe("no operator ordered it: the publisher's policy for homes that have none"),
  state: z
    .enum(["running", "paused", "finished", "nobody", "aborted"])
    .describe("nobody: it has ended without anybody who takes part"),
  nobody: Nobody.exactOptional().describe("why nobody takes part, by how many devices; absent if somebody does"),
  waves: z.array(z.union([z.literal("canary"), z.int()])),
  wave: z.int().describe("index of the wave that is under way; the number of waves once all have ended"),
  updated: z.int(),
  failed: z.int(),
  total: z.int(),
  waits: WaitShape.exactOptional().describe("on what the whole rollout waits"),
  next: z.string().exactOptional().describe("id of the device whose turn it is"),
  hours: z
    .object({
      window: Text,
      zone: Text.exactOptional().describe("of the reporting device; absent if nobody told it one"),
    })
    .exactOptional()
    .describe("in which devices may restart"),
  isWindowIgnored: z.boolean().describe("no time server has answered the reporting device for a day"),
  members: z.array(RolloutMember).describe("in the order of their turns"),
  later: z.array(z.object({ rollout: z.string(), release: z.string() })).describe("rollouts that wait for this one"),
});
export type RolloutStatus = z.infer<typeof RolloutStatus>;

/** Undefined while this device knows no rollout. */
export function statusOf(view: View, nowMs: number): RolloutStatus | undefined {
  const known = currentOf(view) ?? view.orders.toSorted((a, b) => b.order.startedAt - a.order.startedAt)[0];
  if (!known) return undefined;
  const { order } = known;
  const ranking = rank(view, order, nowMs);
  const progress = progressOf(view, order.rollout, nowMs);
  const isAborted = order.state === "aborted";
  const stop = isAborted ? undefined : stopOf(view, known, ranking, nowMs);
  // A failure after the end stops whoever comes later.
  const hasEnded = progress.isFinished && stop?.on !== "failures";
  const nobody = isAborted ? undefined : whyNobody(view.members.values(), order, ranking);
  const ended = nobody ? "nobody" : "finished";
  const state = isAborted ? "aborted" : hasEnded ? ended : stop ? "paused" : "running";
  const next = ranking.places.find(
    ({ standing, wave }) => standing.kind === "waiting" && wave !== undefined && wave <= progress.wave,
  );
  const whole =
    state !== "running" && state !== "paused"
      ? undefined
      : (stop ?? outageWait(view, known, ranking, nowMs) ?? (next ? undefined : waveWait(view, known, ranking, nowMs)));
  const toEpoch = (ms: number) => Math.round(view.clock.wallMs + (ms - view.clock.atMs));
  const all = [...ranking.places, ...ranking.aside];
  const isUnder = (kind: Place["standing"]["kind"]) => all.filter(({ standing }) => standing.kind === kind);
  return {
    ...{ rollout: order.rollout, number: order.number, release: order.release, operators: [...known.operators], state },
    ...(order.auto && { auto: termsOf(order, order.auto) }),
    ...{ waves: [...order.waves], wave: progress.wave },
    ...{ updated: isUnder("updated").length, failed: isUnder("failed").length, total: ranking.places.length },
    ...(nobody && { nobody }),
    ...(whole && { waits: shapeOf(whole, toEpoch) }),
    ...(next && state === "running" && { next: next.id }),
    ...(order.window !== undefined && {
      hours: { window: order.window, ...(view.clock.zone !== undefined && { zone: view.clock.zone }) },
    }),
    isWindowIgnored: hoursOf(order.window, view.clock, nowMs).isIgnored,
    members: isAborted
      ? []
      : all.map((place) => {
          const waits =
            place.standing.kind === "waiting" || isTold(place) ? waitOf(view, known, ranking, place, nowMs) : undefined;
          return memberOf(place, waits && shapeOf(waits, toEpoch), toEpoch);
        }),
    later: view.orders
      .filter(
        (one) => one !== known && one.order.state !== "aborted" && !view.progress.get(one.order.rollout)?.isFinished,
      )
      .map((one) => ({ rollout: one.order.rollout, release: one.order.release })),
  };
}

function termsOf(
  { waves, soakSeconds, successPercent, maxFailures, window: here }: Order,
  auto: NonNullable<Order["auto"]>,
) {
  const { publisher, window } = auto;
  return {
    ...{ publisher, waves: [...waves], soakSeconds, successPercent, hasZone: window === here },
    ...(maxFailures !== undefined && { maxFailures }),
    ...(window !== undefined && { window }),
  };
}

const isTold = ({ standing: { kind } }: Place) => ["held", "absent", "passedOver", "silent", "stuck"].includes(kind);

/** This device knows of itself what it cannot know of others: bytes, people at work, the lease. */
function waitOf(
  view: View,
  known: KnownOrder,
  ranking: ReturnType<typeof rank>,
  place: Place,
  nowMs: number,
): Wait | undefined {
  if (place.id === view.self) return ownWait(view, nowMs) ?? askingWait(view);
  return outerWait(view, known, ranking, place, nowMs) ?? outageWait(view, known, ranking, nowMs);
}

function memberOf(
  { id, standing, wave }: Place,
  waits: WaitShape | undefined,
  toEpoch: (ms: number) => number,
): RolloutMember {
  return {
    ...{ id, standing: shownStanding(standing) },
    ...(wave !== undefined && { wave }),
    ...("check" in standing && { check: standing.check }),
    ...(standing.kind === "updating" && { until: toEpoch(standing.untilMs) }),
    ...(waits && { waits }),
  };
}

function shownStanding(standing: Place["standing"]): RolloutMember["standing"] {
  if (standing.kind !== "stuck") return standing.kind;
  return standing.isPassedOver ? "passedOver" : "waiting";
}

function shapeOf({ sinceMs, untilMs, ...wait }: Wait, toEpoch: (ms: number) => number): WaitShape {
  const shape = { ...wait, since: toEpoch(sinceMs), ...(untilMs !== undefined && { until: toEpoch(untilMs) }) };
  return WaitShape.parse(JSON.parse(JSON.stringify(shape)));
}

/** Members that restart under a lease: they are updating, not dead. Until when, in monotonic ms. */
export function updatingOf(view: View, nowMs: number): Map<string, number> {
  const known = currentOf(view);
  if (!known) return new Map();
  const { places } = rank(view, known.order, nowMs);
  return new Map(
    places.flatMap(({ id, standing }) => (standing.kind === "updating" ? [[id, standing.untilMs] as const] : [])),
  );
}

/** The release that this device is to run, for its telemetry; undefined if no rollout is about it. */
export function targetOf(view: View): string | undefined {
  const order = currentOf(view)?.order;
  const own = view.members.get(view.self);
  return order && own && compareVersions(own.release, order.release) < 0 ? order.release : undefined;
}
