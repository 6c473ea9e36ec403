// Shared by the lab's commands.
import { findLab, type LabClient } from "../../../image/lab/supervisor/client.ts";
import type { LabDeviceStatus } from "../../../image/lab/supervisor/status.ts";
import { HamletError } from "../../../system/error.ts";
import { type Command, required } from "../../terminal/command.ts";
import { table } from "../../terminal/table.ts";

/** Those of the running lab; none if no lab is running. */
export async function labDevices(): Promise<LabDeviceStatus[]> {
  const lab = await findLab().catch((error: unknown) => {
    if (error instanceof HamletError && error.code === "lab.notRunning") return undefined;
    throw error;
  });
  return (await lab?.status())?.devices ?? [];
}

type OnWeb = { describe: string; act(lab: LabClient): Promise<void>; said: string; facts: object };

/** Makes a command that acts on one device of the running lab and prints the result; with `--web`, on the lab's web if `web` says how. `facts`: what `--json` adds. */
export function deviceCommand(
  about: Pick<Command, "usage" | "summary" | "example" | "details">,
  act: (lab: LabClient, name: string) => Promise<void>,
  said: (name: string) => string,
  facts: object,
  web?: OnWeb,
): Command {
  const command: Command = {
    ...about,
    options: {
      json: { type: "boolean", describe: "print the result as JSON" },
      ...(web && { web: { type: "boolean", aloneBut: ["json"], describe: web.describe } }),
    },
    async run(input, { print }) {
      if (web && input.values["web"] === true) {
        await web.act(await findLab());
        print(input.values["json"] ? JSON.stringify({ web: web.facts }) : web.said);
        return 0;
      }
      const name = required(command, input, 0, "the device's name");
      await act(await findLab(), name);
      print(input.values["json"] ? JSON.stringify({ device: name, ...facts }) : said(name));
      return 0;
    },
  };
  return command;
}

const columns: [title: string, cell: (device: LabDeviceStatus) => string][] = [
  ["device", ({ name }) => name],
  ["board", ({ board }) => board],
  [
    "state",
    ({ state, isPartitioned, line }) =>
      [state, ...(isPartitioned ? ["cable pulled"] : []), ...(line ? ["bad line"] : [])].join(", "),
  ],
  ["address", ({ address }) => address ?? "-"],
  ["release", ({ release, slot }) => (release === undefined ? "-" : `${release}${slot ? ` (${slot})` : ""}`)],
  ["handshakes", ({ handshakes }) => String(handshakes)],
  ["telemetry", ({ telemetry }) => (telemetry ? "yes" : "-")],
  ["page", ({ page }) => page],
];

/** The devices as lines of a table. */
export function deviceTable(devices: LabDeviceStatus[]): string[] {
  return table([columns.map(([title]) => title), ...devices.map((device) => columns.map(([, cell]) => cell(device)))]);
}
