// What `check`, `now` and `retry` share: they ask the updater for a check, and say what came of it.
import { activityText } from "../../../dashboard/update-words.ts";
import type { UpdateRequest } from "../../../provisioning/handover/update.ts";
import { HamletError } from "../../../system/error.ts";
import { again } from "../../terminal/again.ts";
import type { Context, Option, Values } from "../../terminal/command.ts";
import { findDeviceForRequests } from "../../terminal/device.ts";
import { jsonLines } from "../../terminal/output.ts";
import { ownedDeviceOptions } from "../device/owned.ts";
import { awaitCheck, updateOf } from "./follow.ts";
import { followFor } from "./follow-json.ts";

const jsonOption: Record<"json", Option> = { json: { type: "boolean", describe: "print the result as JSON" } };
export const requestOptions: Record<string, Option> = { ...ownedDeviceOptions, ...jsonOption };
export const watchOption: Record<"watch" | "json", Option> = {
  json: { type: "boolean", describe: "print the result as JSON; with --watch one line for each change" },
  watch: {
    type: "boolean",
    short: "w",
    describe: "follow the update until it ends; exit code 3 if the device refuses it, 4 if it fell back",
  },
};

type Asked =
  | { kind: Extract<UpdateRequest["kind"], "check" | "now" | "retry"> }
  | { kind: "prepare"; version?: string }
  | { kind: "install"; path: string };

export async function requestUpdate(asked: Asked, values: Values, context: Context): Promise<number> {
  const { print, progress } = context;
  const device = await findDeviceForRequests(values);
  try {
    const status = await device.status();
    const before = updateOf(status);
    const { name } = status.self;
    progress.stage(asked.kind === "install" ? `reading ${asked.path}` : `checking for a release for ${name}`);
    await device.request("/v1/update", asked);
    const update = await awaitCheck(device, before, asked.kind);
    progress.end();
    const { running, newest, activity } = update;
    const told = { device: name, ...update };
    if (values["watch"] && activity.phase !== "idle") return await followFor(values, device, before, context);
    if (asked.kind === "install" && activity.phase === "idle") {
      throw new HamletError("update.notNewer", `${name} runs ${running.version}, and ${asked.path} has ${newest}`, {
        hint: "nothing to do",
        exitCode: 3,
      });
    }
    if (values["json"]) print(...(values["watch"] ? [JSON.stringify(told)] : jsonLines(told)));
    else if (activity.phase === "checking")
      print(`${name} is still checking; see: ${again("hamlet update status", values)}`);
    else if (activity.phase === "ready")
      print(`${name}: ${activityText(activity, 0)}: ${again("hamlet update restart", values)}`);
    else if (activity.phase !== "idle") {
      print(
        `the update of ${name}${"version" in activity ? ` to ${activity.version}` : ""} has begun; follow it: ${again("hamlet update status --watch", values)}`,
      );
    } else if (newest === undefined) print(`the repository has no release for ${name}, which runs ${running.version}`);
    else if (newest === running.version) print(`${name} runs ${newest}, the newest release`);
    else print(`${name} runs ${running.version}; the newest release is ${newest}`);
    return 0;
  } finally {
    device.close();
  }
}
