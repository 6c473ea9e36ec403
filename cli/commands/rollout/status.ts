// `rollout status [--watch]`: how far a rollout is, and on what each device waits.
import { z } from "zod";
import type { Status } from "../../../agent/api/schema.ts";
import {
  allHaveIt,
  headline,
  hoursText,
  memberText,
  namesFrom,
  nextSteps,
  waveName,
} from "../../../dashboard/rollout-words.ts";
import { RolloutStatus } from "../../../ota/rollout/report.ts";
import { sleep } from "../../../system/clock.ts";
import { HamletError } from "../../../system/error.ts";
import { again } from "../../terminal/again.ts";
import type { Command, Context, Values } from "../../terminal/command.ts";
import { type Device, findDevice } from "../../terminal/device.ts";
import { jsonLines } from "../../terminal/output.ts";
import { filledTable } from "../../terminal/table.ts";
import { ownedDeviceOptions } from "../device/owned.ts";

export type Pace = {
  pollMs: number;
  /** The device that is asked may itself restart in the rollout. */
  silentMs: number;
};
const usualPace: Pace = { pollMs: 1_000, silentMs: 15 * 60_000 };

export const rolloutStatus: Command = {
  usage: "rollout status [--watch] [--json]",
  summary: "show how far a rollout is, and on what each device waits",
  example: "hamlet rollout status --watch",
  details: `
Any member tells; one on the link tells its owner and operators, with --neighborhood <folder>. With --watch it follows the rollout until it ends, also while the device that it asks
restarts: exit code 0 if all devices have the release, 4 if the rollout has stopped because devices failed, 1 if it was aborted or nobody
takes part.`,
  options: {
    ...ownedDeviceOptions,
    watch: { type: "boolean", short: "w", describe: "follow the rollout until it ends" },
    json: { type: "boolean", describe: "print JSON; with --watch one line for each change" },
    schema: { type: "boolean", aloneBut: ["json"], describe: "print the JSON Schema of --json instead" },
  },
  async run({ values }, context) {
    if (values["schema"]) {
      context.print(...jsonLines(z.toJSONSchema(RolloutStatus)));
      return 0;
    }
    const device = await findDevice(values);
    if (values["watch"]) {
      // Any member tells, so unless one was named the watch goes on with another while this one is away.
      const another = values["device"] === undefined ? () => findDevice(values) : undefined;
      return await followRollout(device, context, { told: values, isJson: values["json"] === true, another });
    }
    try {
      const status = await device.status();
      const rollout = rolloutOf(status);
      if (values["json"]) context.print(...jsonLines(rollout));
      else context.print(...rolloutText(rollout, status.members, Date.now(), values));
      return 0;
    } finally {
      device.close();
    }
  },
};

/** Throws `rollout.unknown`. */
function rolloutOf({ rollout }: Pick<Status, "rollout">): RolloutStatus {
  if (rollout) return rollout;
  throw new HamletError("rollout.unknown", "no rollout is under way", {
    hint: "start one: hamlet rollout start --release <version>",
  });
}

/** `told`: by which device, as somebody has typed it. */
export function rolloutText(
  rollout: RolloutStatus,
  members: Status["members"],
  now: number,
  told: Values = {},
): string[] {
  const nameOf = namesFrom(members);
  const rows = rollout.members.map((member) => {
    const wave = member.wave === undefined ? undefined : rollout.waves[member.wave];
    return [nameOf(member.id), wave === undefined ? "" : waveName(wave), memberText(member, nameOf, now)];
  });
  const about = hoursText(rollout);
  return [
    headline(rollout, nameOf, now),
    ...(about === undefined ? [] : [about]),
    ...(rows.length > 0 ? ["", ...filledTable(["DEVICE", "WAVE", "STATE"], rows)] : []),
    ...nextSteps(rollout, nameOf).map((step) => again(step, told)),
    ...rollout.later.map(({ release }) => `${release} waits until this one is done or aborted`),
  ];
}

type Teller = Pick<Device, "status" | "found" | "close">;
type FollowOptions = {
  isJson: boolean;
  told?: Values;
  /** A device that answers. Throws `device.noAnswer`. */
  another?: (() => Promise<Teller>) | undefined;
  pace?: Pace;
};

/** Resolves to the exit code; closes each device that it asks. */
export async function followRollout(
  first: Teller,
  context: Pick<Context, "print" | "note" | "unread">,
  options: FollowOptions,
): Promise<number> {
  const asked = { teller: first };
  try {
    return await follow(asked, context, options);
  } finally {
    asked.teller.close();
  }
}

async function follow(
  asked: { teller: Teller },
  { print, note, unread }: Pick<Context, "print" | "note" | "unread">,
  { isJson, told, another, pace: { pollMs, silentMs } = usualPace }: FollowOptions,
): Promise<number> {
  let [shown, silentSince, isSilent] = ["", performance.now(), false];
  for (; !unread?.aborted; await sleep(pollMs)) {
    let found: Status;
    try {
      found = await asked.teller.status();
    } catch (error) {
      if (performance.now() - silentSince >= silentMs || !isSilence(error)) throw error;
      if (!isSilent) note(`${asked.teller.found} does not answer: it may be its own turn`);
      isSilent = true;
      const next = await another?.().catch(() => undefined);
      if (next) {
        asked.teller.close();
        asked.teller = next;
      }
      continue;
    }
    // The mesh of a device that has just started is not there yet.
    if (isSilent && found.rollout === undefined && performance.now() - silentSince < silentMs) continue;
    [silentSince, isSilent] = [performance.now(), false];
    const rollout = rolloutOf(found);
    const text = isJson ? JSON.stringify(rollout) : rolloutText(rollout, found.members, Date.now(), told).join("\n");
    const what = isJson ? text : stateOf(rollout);
    if (what !== shown) print(text, ...(isJson ? [] : [""]));
    shown = what;
    if (rollout.state === "finished") return 0;
    if (rollout.state === "nobody") return allHaveIt(rollout.nobody ?? []) ? 0 : 1;
    if (rollout.state === "aborted") return 1;
    if (rollout.state === "paused" && rollout.waits?.on === "failures") return 4;
  }
  return 0;
}

/** Without what changes every second. */
const stateOf = ({ number, state, wave, waits, members }: RolloutStatus): string =>
  JSON.stringify([
    number,
    state,
    wave,
    waits?.on,
    members.map(({ id, standing, waits: on }) => [id, standing, on?.on]),
  ]);

const isSilence = (error: unknown): boolean =>
  error instanceof HamletError && ["device.noAnswer", "lab.execFailed"].includes(error.code);
