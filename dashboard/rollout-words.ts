// Says in words how a rollout stands and on what each device waits, on the page and in the terminal.
// Pure.

import type { Nobody } from "../ota/rollout/nobody.ts";
import type { RolloutMember, RolloutStatus, WaitShape } from "../ota/rollout/report.ts";
import { autoOff } from "../ota/rollout/view.ts";
import { bytes, count, duration } from "./words.ts";

/** What people call a device. */
export type NameOf = (id: string) => string;

export const namesFrom = (members: readonly { id: string; name: string }[]): NameOf => {
  const names = new Map(members.map(({ id, name }) => [id, name]));
  return (id) => names.get(id) ?? id;
};

/** A member that restarts under a lease is updating: that it does not answer meanwhile is no trouble. */
export const shownState = <State extends string>({
  state,
  updatingUntil,
}: {
  state: State;
  updatingUntil?: number;
}): State | "updating" => (updatingUntil !== undefined && state !== "alive" ? "updating" : state);

export function headline(status: RolloutStatus, nameOf: NameOf, now: number): string {
  const { release, auto, state, waves, wave, updated, failed, total, nobody, waits, next } = status;
  const counted = `${updated} of ${count(total, "device")} updated${failed > 0 ? `, ${failed} failed` : ""}`;
  const of = nobody ? nobodyText(nobody) : counted;
  const where = waves[wave] === undefined ? "" : `, wave ${wave + 1} of ${waves.length} (${waveName(waves[wave])})`;
  const why = waits ? `: ${waitText(waits, nameOf, now)}` : next === undefined ? "" : `: next is ${nameOf(next)}`;
  const by = auto === undefined ? "" : ` (auto, by the publisher of ${auto.publisher.slice(0, 8)})`;
  return `${release}${by} ${states[state]}${state === "running" || state === "paused" ? where : ""}; ${of}${why}`;
}

const states: Record<RolloutStatus["state"], string> = {
  running: "rolls out",
  paused: "is paused",
  finished: "has rolled out",
  nobody: "has ended",
  aborted: "was aborted",
};

/** Why nobody takes part, by how many devices. */
export const nobodyText = (nobody: Nobody): string =>
  `nobody here takes part: ${nobody.map(({ why, count: devices }) => `${devices} ${whys[why][devices === 1 ? 0 : 1]}`).join(", ")}`;

const whys: Record<Nobody[number]["why"], readonly [one: string, many: string]> = {
  newer: ["has it or a newer one", "have it or a newer one"],
  untagged: ["lacks the tag", "lack the tag"],
  unfit: ["cannot take it", "cannot take it"],
  refused: ["takes nothing by itself", "take nothing by themselves"],
  failed: ["has failed at it", "have failed at it"],
  held: ["is held back", "are held back"],
  away: ["is away", "are away"],
  silent: ["has said nothing of it", "have said nothing of it"],
  stuck: ["cannot begin", "cannot begin"],
};

export const waveName = (wave: RolloutStatus["waves"][number]): string => (wave === "canary" ? "canary" : `${wave} %`);

/** On what, since when and until when. */
export function waitText(wait: WaitShape, nameOf: NameOf, now: number): string {
  const since = `for ${duration((now - wait.since) / 1000)}`;
  const until = wait.until === undefined || wait.until <= now ? "" : `, ${duration((wait.until - now) / 1000)} at most`;
  return `${reasonText(wait, nameOf, now)} (${since}${wait.on === "soak" || wait.on === "window" ? "" : until})`;
}

function reasonText(wait: WaitShape, nameOf: NameOf, now: number): string {
  const names = (ids: readonly string[]) => ids.map(nameOf).join(", ");
  switch (wait.on) {
    case "rollout":
      return `waits for rollout ${wait.rollout}`;
    case "operator":
      return pauses[wait.because ?? "asked"](wait.operators.join(" and "));
    case "failures":
      return `stopped, because it failed on ${names(wait.devices) || "too many devices"}`;
    case "wave":
      return wait.devices.length > 0 ? `waits for the wave before: ${names(wait.devices)}` : "is in no wave yet";
    case "soak":
      return `the wave has to be well for ${duration(((wait.until ?? now) - now) / 1000)} more`;
    case "hold":
      return `held back: ${wait.reason}`;
    case "window":
      return `waits for ${wait.window}${wait.zone === undefined ? " UTC" : ` (${wait.zone})`}, in ${duration(((wait.until ?? now) - now) / 1000)}`;
    case "absence":
      return `waits for ${nameOf(wait.device)}, which is away`;
    case "word":
      return `waits for ${nameOf(wait.device)}, which has said nothing of it`;
    case "restart":
      return `waits for ${nameOf(wait.device)}, which restarts`;
    case "turn":
      return `comes after ${nameOf(wait.device)}`;
    case "lease":
      if (wait.holder !== undefined) return `${nameOf(wait.holder)} has the lease`;
      return leases[wait.because](names(wait.awaits ?? []));
    case "bytes":
      return wait.totalBytes === 0
        ? "prepares the release"
        : `writes the release: ${bytes(wait.doneBytes)} of ${bytes(wait.totalBytes)}`;
    case "updater":
      return wait.device === undefined
        ? `its updater waits (${wait.code})`
        : `waits for ${nameOf(wait.device)}, whose updater waits (${wait.code})`;
    case "people":
      return wait.device === undefined
        ? `somebody is at work: ${people[wait.what](wait.who)}`
        : `waits for ${nameOf(wait.device)}, where somebody is at work: ${people[wait.what](wait.who)}`;
    case "news":
      return "has just started, and listens first";
  }
}

const tellZone = "to set one: hamlet provision <card> --neighborhood <folder> --timezone Europe/Berlin";

/** What is to be said of the hours in which the asked device may restart. */
export function hoursText({ auto, hours, isWindowIgnored }: RolloutStatus): string | undefined {
  if (isWindowIgnored) return "no time server has answered for a day, so the hours are ignored here";
  if (auto?.window !== undefined && !auto.hasZone)
    return `no time zone is set here, so ${auto.window} of its publisher does not count; ${tellZone}`;
  if (hours && hours.zone === undefined) return `no time zone is set here, so ${hours.window} is UTC; ${tellZone}`;
  return undefined;
}

/** What people can do about what a rollout waits for; what goes on by itself needs nothing. */
export function nextSteps(
  { nobody, waits, members }: Pick<RolloutStatus, "nobody" | "waits" | "members">,
  nameOf: NameOf,
): string[] {
  const all = [waits, ...members.map((member) => member.waits)].flatMap((wait) => (wait ? [wait] : []));
  const failed = members.flatMap(({ id, standing, check }) =>
    standing === "failed" && check !== undefined ? [`why ${nameOf(id)} failed: hamlet explain ${check}`] : [],
  );
  const unfit = members.flatMap(({ standing, check }) =>
    nobody && standing === "unfit" && check !== undefined && check !== autoOff
      ? [`why it fits no device here: hamlet explain ${check}`]
      : [],
  );
  const another = nobody ? nobodySteps(nobody, waits) : [];
  return [...new Set([...all.flatMap((wait) => nextStep(wait, nameOf)), ...failed, ...unfit, ...another])];
}

/** Nothing is left to be done: all have the release, or a newer one. */
export const allHaveIt = (nobody: Nobody): boolean => nobody.every(({ why }) => why === "newer");

function nobodySteps(nobody: Nobody, waits: WaitShape | undefined): string[] {
  const has = (wanted: Nobody[number]["why"]) => nobody.some(({ why }) => why === wanted);
  if (waits?.on === "hold") return ["to let it go on earlier: hamlet hold <device> --end"];
  if (waits || allHaveIt(nobody)) return [];
  if (has("untagged")) return ["to reach others: hamlet rollout start --release <version>, with another --tag or none"];
  if (has("refused")) return ["to order it all the same: hamlet rollout start --release <version>"];
  return ["publish a release that fits, and let it roll out: hamlet rollout start --release <version>"];
}

function nextStep(wait: WaitShape, nameOf: NameOf): string[] {
  switch (wait.on) {
    case "operator":
      return ["to go on with it: hamlet rollout resume; to end it: hamlet rollout abort"];
    case "failures": {
      const [first] = wait.devices;
      const where = first === undefined ? "on the device" : `--device ${nameOf(first)}`;
      return [`see why it failed: hamlet update history ${where}; then hamlet rollout resume, or hamlet rollout abort`];
    }
    case "absence":
      return [bringBack(nameOf(wait.device))];
    case "word":
      return [`see what ${nameOf(wait.device)} does: hamlet status --device ${nameOf(wait.device)}`];
    case "lease":
      if (wait.awaits) return wait.awaits.map((id) => bringBack(nameOf(id)));
      if (wait.because !== "noMajority") return [];
      return ["bring members back; of one that is gone for good: hamlet forget <device>"];
    case "updater":
      return [
        `why ${wait.device === undefined ? "its updater" : `that of ${nameOf(wait.device)}`} waits: hamlet explain ${wait.code}`,
      ];
    case "rollout":
    case "wave":
    case "soak":
    case "hold":
    case "window":
    case "restart":
    case "turn":
    case "bytes":
    case "people":
    case "news":
      return [];
  }
}

const bringBack = (name: string) => `bring ${name} back, or give it up: hamlet forget ${name}`;

const pauses = {
  asked: (by: string) => `paused by ${by}`,
  operatorsDisagree: (by: string) => `paused, because ${by} ordered different things under one number`,
  operatorRevoked: (by: string) => `paused, because the key of ${by} was revoked`,
};
const leases = {
  held: () => "another device has the lease",
  noMajority: (silent: string) =>
    `too few members answer to grant a lease${silent === "" ? "" : `: nothing is heard of ${silent}`}`,
  settling: (awaited: string) =>
    awaited === ""
      ? "members that have just started do not grant a lease yet"
      : `members that have just started grant no lease before they hear of ${awaited}, which may have one`,
};
const people = {
  session: () => "an SSH session",
  install: () => "hamlet install",
  inhibitor: (who = "a program") => `${who} has asked systemd not to restart`,
};

/** What the others find of a device that does not say itself that it failed. */
const findings: Record<string, string> = {
  "rollout.notBack": "it took the lease, and did not come back in time",
  "rollout.contradiction": "it says that it has the release, and shows another one",
  "rollout.wrongRoot": "it says that it has the release, and runs another system than the one that was signed",
};

/** How one device stands. */
export function memberText({ standing, check, until, waits }: RolloutMember, nameOf: NameOf, now: number): string {
  const why = check === undefined ? "" : ` (${check})`;
  switch (standing) {
    case "updated":
      return "updated";
    case "updating":
      return `restarts and is tried${until === undefined ? "" : `, ${duration((until - now) / 1000)} at most`}`;
    case "failed":
      return `failed${check !== undefined && check in findings ? `: ${findings[check]}` : ""}${why}`;
    case "unfit":
      if (check === autoOff) return "takes no release by itself: its owner does not want it";
      return `passed over: the release is not for it${why}`;
    case "passedOver":
      if (waits?.on === "updater" || waits?.on === "people") return `passed over: ${waitText(waits, nameOf, now)}`;
      return "passed over: it is away";
    case "silent":
      return "passed over: it has said nothing, and may not have seen the release";
    case "held":
    case "absent":
    case "waiting":
      return waits ? waitText(waits, nameOf, now) : "is next";
  }
}
