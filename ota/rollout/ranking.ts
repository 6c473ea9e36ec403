// Who is in which wave of a rollout, and how each one stands.
// Pure. Every member computes the same from the same documents, so nobody has to hand out numbers.
import { createHash } from "node:crypto";
import { compareVersions } from "../../image/boot/versions.ts";
import { endOfHold } from "./holds.ts";
import { wrongSinceMs } from "./roots.ts";
import { autoOff, type HeardResult, type Member, type Order, type Progress, type View } from "./view.ts";
import { hasTriedEnough, isProgress, isStuck } from "./words.ts";

const minuteMs = 60_000;
export const dayMs = 24 * 60 * minuteMs;
/** A device may take this much longer to come back than its trial may take. */
const returnMs = 10 * minuteMs;
/** A device tells of its success before its new record reaches everybody. */
const contradictionMs = 10 * minuteMs;
/** All absences, and all who are there and cannot begin, delay a rollout by so much together at most. */
export const maxDelayMs = 7 * dayMs;
/** The longest that a device needs to learn of a release and to come to its hours, and a day to spare. */
export const silenceMs = 2 * dayMs;

export type Standing =
  /** `untilMs`: when it counts as failed unless it is back. */
  | { kind: "updating"; sinceMs: number; untilMs: number }
  | { kind: "updated"; sinceMs: number }
  /** `order`: under which number it failed. `isSaid`: by its own word, which it does not take back; else it has not given one in time. */
  | { kind: "failed"; sinceMs: number; order: number; check: string; isSaid: boolean }
  | { kind: "unfit"; check: string }
  | Held
  /** Away for a day, said goodbye, or absences have delayed the rollout for long enough. */
  | { kind: "passedOver"; sinceMs: number }
  /** It is there, its turn has come long ago, and it has not begun: it may know nothing of a rollout that nobody handed to it. */
  | { kind: "silent"; sinceMs: number }
  | { kind: "absent"; sinceMs: number }
  /** There, and kept from beginning, by its own word. As with an absence, nobody waits for it longer than a day. */
  | Stuck
  | { kind: "waiting" };
export type Stuck = { kind: "stuck"; sinceMs: number; check: string; isPassedOver: boolean };
export type Held = { kind: "held"; sinceMs: number; untilMs: number; reason: string };
/** `wave`: undefined beyond the last wave. */
export type Place = { id: string; member: Member; standing: Standing; wave: number | undefined };
export type Ranking = {
  /** Those who count, in the order in which they take turns. */
  places: readonly Place[];
  /** Those who do not count, each with the reason. */
  aside: readonly Place[];
  /** How many of `places` are in this wave or an earlier one. */
  sizes: readonly number[];
  /** Why no wave ends meanwhile: everybody is held, so that waves would end without anybody in them. */
  heldBack: Held | undefined;
};

/** The last answer: one step asks several times. */
let latest: { of: readonly unknown[]; ranking: Ranking } | undefined;

export function rank(view: View, order: Order, nowMs: number): Ranking {
  const { delayedMs = 0, heard } = view.progress.get(order.rollout) ?? {};
  const isPatient = delayedMs < maxDelayMs;
  const of = [
    view.members,
    view.results,
    view.holds,
    view.clock,
    view.progress,
    view.trouble,
    view.roots,
    order,
    isPatient,
    nowMs,
  ];
  if (latest?.of.every((one, at) => one === of[at])) return latest.ranking;
  const begun: Omit<Place, "wave">[] = [];
  const others: Omit<Place, "wave">[] = [];
  const aside: Place[] = [];
  const silentAtMs = silentAt(view, order);
  for (const member of inOrder(view.members, order.rollout)) {
    const standing = standingOf(view, order, member, nowMs, { isPatient, silentAtMs });
    if (!standing) continue;
    const place = { id: member.id, member, standing };
    const word = view.results.get(member.id);
    if (isAside(standing) || isForgiven(standing, order, heard, word)) aside.push({ ...place, wave: undefined });
    // Who has begun stays in front, so that the canary is fixed and nobody joins a wave that has ended.
    else (hasBegun(standing) ? begun : others).push(place);
  }
  const counted = [...begun, ...others];
  // Who is there and is passed over leaves its place in a wave to another, and the waves as large as they were.
  const left = aside.filter(({ standing }) => standing.kind === "silent" || standing.kind === "stuck").length;
  const sizes = sizesOf(order, counted.length + left);
  const places = counted.map((place, at) => {
    const wave = sizes.findIndex((size) => at < size);
    return { ...place, wave: wave === -1 ? undefined : wave };
  });
  const held = aside.flatMap(({ standing }) => (standing.kind === "held" ? [standing] : []));
  const heldBack = holdOf(view, "all", nowMs) ?? (places.length === 0 ? held[0] : undefined);
  const ranking = { places, aside, sizes, heldBack };
  latest = { of, ranking };
  return ranking;
}

const compared = new Map<string, boolean>();

/** Each step asks for every member. */
export function isOlderThan(one: string, other: string): boolean {
  if (one === other) return false;
  const text = `${one} ${other}`;
  const known = compared.get(text);
  if (known !== undefined) return known;
  if (compared.size >= 1_024) compared.clear();
  const isOlder = compareVersions(one, other) < 0;
  compared.set(text, isOlder);
  return isOlder;
}

const hasBegun = ({ kind }: Standing) => kind === "updating" || kind === "updated" || kind === "failed";

const orders = new WeakMap<ReadonlyMap<string, Member>, { rollout: string; members: readonly Member[] }>();

/** Who relays for others or leads to the web comes after those who do not. */
function inOrder(members: ReadonlyMap<string, Member>, rollout: string): readonly Member[] {
  const known = orders.get(members);
  if (known?.rollout === rollout) return known.members;
  const keyed = [...members.values()].map((member) => ({
    member,
    weight: weightOf(member.duties),
    hash: hashOf(rollout, member.id),
  }));
  keyed.sort((a, b) => a.weight - b.weight || (a.hash < b.hash ? -1 : 1));
  const sorted = keyed.map(({ member }) => member);
  orders.set(members, { rollout, members: sorted });
  return sorted;
}

/** Whether this member is away, and not for so long that nobody waits for it any more. */
export const blocks = ({ absentSinceMs, hasLeft }: Member, nowMs: number): boolean =>
  absentSinceMs !== undefined && !hasLeft && nowMs - absentSinceMs < dayMs;

const isAside = (standing: Standing) =>
  ["unfit", "held", "passedOver", "silent"].includes(standing.kind) ||
  (standing.kind === "stuck" && standing.isPassedOver);

/**
 * A resumed rollout has a higher number: whoever resumed it knows of earlier failures, and their places go to the next in rank. A failure
 * under an earlier number that this device learned of after the newer number was known to nobody then.
 */
function isForgiven(standing: Standing, { number }: Order, heard: Progress["heard"], word: HeardResult | undefined) {
  if (standing.kind !== "failed" || standing.order >= number) return false;
  if (heard?.number !== number) return true;
  if (!heard.failed) return standing.sinceMs <= heard.sinceMs;
  return heard.failed.some(({ device, said }) => device === word?.device && said === word.said);
}

/** Undefined for a member that the rollout is not about. */
function standingOf(
  view: View,
  order: Order,
  member: Member,
  nowMs: number,
  { isPatient, silentAtMs }: { isPatient: boolean; silentAtMs: number | undefined },
): Standing | undefined {
  const { results, self } = view;
  const heard = results.get(member.id);
  const result = heard?.rollout === order.rollout && heard.release === order.release ? heard : undefined;
  const isOlder = isOlderThan(member.release, order.release);
  const { absentSinceMs } = member;
  switch (result?.outcome) {
    case "updated": {
      const wrongMs = wrongSinceMs(view, member, result);
      if (wrongMs !== undefined) {
        return { kind: "failed", sinceMs: wrongMs, order: result.order, check: "rollout.wrongRoot", isSaid: true };
      }
      if (!isOlder) return { kind: "updated", sinceMs: result.heardAtMs };
      // It says that it runs the release, and its record that it does not.
      const sinceMs = result.heardAtMs + (hasTriedEnough(result, order) ? 0 : contradictionMs);
      // Whoever is away may have no way to bring its record, but nobody waits for it for ever.
      const isLate = nowMs >= sinceMs && !blocks(member, nowMs);
      if (!isLate) return { kind: "updating", sinceMs: result.heardAtMs, untilMs: Math.max(sinceMs, nowMs) };
      return { kind: "failed", sinceMs, order: result.order, check: "rollout.contradiction", isSaid: false };
    }
    case "began": {
      const isOneTooMany = hasTriedEnough(result, order);
      const untilMs = result.heardAtMs + (isOneTooMany ? 0 : (result.trialSeconds ?? 0) * 1000 + returnMs);
      if (nowMs < untilMs) return { kind: "updating", sinceMs: result.heardAtMs, untilMs };
      return { kind: "failed", sinceMs: untilMs, order: result.order, check: "rollout.notBack", isSaid: false };
    }
    case "failed":
    case "fellBack":
      return {
        ...{ kind: "failed", sinceMs: result.heardAtMs, order: result.order, isSaid: true },
        check: result.check ?? result.outcome,
      };
    case "unfit":
      // Its owner wants no release there unasked; an operator asks, and its own setting may have changed since.
      if (result.check === autoOff && (!order.auto || (member.id === self && !order.auto.isRefused))) break;
      return { kind: "unfit", check: result.check ?? "" };
    case "stayed":
    case undefined:
      break;
  }
  if (!isOlder || (order.tag !== undefined && !member.tags.includes(order.tag))) return undefined;
  const hold = holdOf(view, member.id, nowMs);
  if (hold) return hold;
  if (heard && hasTriedEnough(heard, order)) {
    return { kind: "stuck", sinceMs: heard.heardAtMs, check: "rollout.noRestart", isPassedOver: true };
  }
  const stuck = result && isStuck(result) ? stuckBy(result, isPatient, nowMs) : undefined;
  if (member.id === self) return view.trouble && stuck?.isPassedOver ? stuck : { kind: "waiting" };
  if (absentSinceMs === undefined) {
    if (stuck) return stuck;
    const hasWord = result && result.outcome !== "stayed";
    const isSilent = silentAtMs !== undefined && !hasWord && nowMs >= silentAtMs;
    return isSilent ? { kind: "silent", sinceMs: silentAtMs - silenceMs } : { kind: "waiting" };
  }
  return { kind: isPatient && blocks(member, nowMs) ? "absent" : "passedOver", sinceMs: absentSinceMs };
}

const stuckBy = ({ heardAtMs, check }: HeardResult & { check: string }, isPatient: boolean, nowMs: number): Stuck => ({
  ...{ kind: "stuck", sinceMs: heardAtMs, check },
  isPassedOver: !isPatient || nowMs - heardAtMs >= dayMs,
});

/** When those who have given no word are passed over: nobody has had anything to say for so long, although the rollout goes on. */
export function silentAt({ progress, results }: View, { rollout }: Order): number | undefined {
  const { waveSinceMs, quietSinceMs = waveSinceMs } = progress.get(rollout) ?? {};
  if (waveSinceMs === undefined || quietSinceMs === undefined) return undefined;
  const words = [...results.values()].flatMap((one) => (isProgress(one, rollout) ? [one.heardAtMs] : []));
  return Math.max(waveSinceMs, quietSinceMs, ...words) + silenceMs;
}

/** Of several the one that ends last: until then the device stays where it is. */
export function holdOf(view: View, device: string, nowMs: number): Held | undefined {
  const holds = view.holds.flatMap((hold) => {
    const untilMs = endOfHold(view, hold, nowMs);
    return (hold.device === "all" || hold.device === device) && untilMs > nowMs ? [{ hold, untilMs }] : [];
  });
  const last = holds.toSorted((one, other) => other.untilMs - one.untilMs)[0];
  return last && { kind: "held", sinceMs: last.hold.heardAtMs, untilMs: last.untilMs, reason: last.hold.reason };
}

export const weightOf = (duties: Member["duties"]): number =>
  duties.includes("uplink") ? 3 : duties.includes("gateway") ? 2 : duties.includes("relay") ? 1 : 0;

const hashes = new Map<string, Map<string, string>>();

/** The rank of a device in a rollout: another one in each, so that nobody is always the canary. */
export function hashOf(rollout: string, device: string): string {
  let known = hashes.get(rollout);
  if (!known) {
    if (hashes.size >= 64) hashes.clear();
    known = new Map();
    hashes.set(rollout, known);
  }
  const before = known.get(device);
  if (before !== undefined) return before;
  const hash = createHash("sha256").update(`${rollout}:${device}`).digest("hex");
  known.set(device, hash);
  return hash;
}

/** A wave never has fewer than the one before. */
function sizesOf({ waves }: Order, count: number): number[] {
  let size = 0;
  return waves.map((wave) => {
    size = Math.max(size, wave === "canary" ? Math.min(1, count) : Math.ceil((wave * count) / 100));
    return size;
  });
}
