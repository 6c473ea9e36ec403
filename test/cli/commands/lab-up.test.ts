import { expect, test } from "vitest";
import { labLink } from "../../../cli/commands/lab/link.ts";
import { labUp, startNotes, webNotes } from "../../../cli/commands/lab/up.ts";
import { type Command, parseInput } from "../../../cli/terminal/command.ts";
import { silentProgress } from "../../../system/progress.ts";

const now = 1_790_000_000_000;

test("lab up says where the devices come from, which state was refused, and why no state was saved", () => {
  expect(startNotes({ from: "power", saving: "saved" }, now)).toEqual([]);
  expect(startNotes({ from: "power", saving: "none" }, now)).toEqual([]);
  expect(startNotes({ from: "state", savedAt: now - 720_000, saving: "none" }, now)).toEqual([
    "resumed from the state saved 12 min ago; --fresh starts from power",
  ]);
  const refused = "lab.stateRefused: attic.state has 3 of 13 bytes";
  const problem = "file.full: no space left";
  expect(startNotes({ from: "power", refused, saving: "given up", problem }, now)).toEqual([
    `started from power: ${refused}`,
    `state not saved, so the next lab up starts from power: ${problem}`,
  ]);
});

test("lab up says why the devices of this lab get no updates", () => {
  const web = { url: "http://10.77.0.2/", folder: "/ota", requests: "/web.log", isPartitioned: false };
  const status = { v: 1, pid: 1, elapsedS: 1, accelerator: "tcg", start: { from: "power", saving: "none" } } as const;
  expect(webNotes({ ...status, devices: [], web: { ...web, state: "up" } })).toEqual([]);
  expect(webNotes({ ...status, devices: [], web: { ...web, state: "down", problem: "no /dev/net/tun" } })).toEqual([
    "the lab's web is down, so the devices get no updates: no /dev/net/tun",
  ]);
});

test.each<[Command, string[], RegExp]>([
  [labUp, ["--devices", "9"], /^--devices: /],
  [labUp, ["--accel", "hvf"], /^--accel: /],
  [labUp, ["--board", "rpi3", "--disk", "nvme"], /^--disk nvme is not for a rpi3, which has its own$/],
  [labUp, ["--board", "nuc", "--board", "rpi3", "--nic", "e1000e"], /^--nic e1000e is not for a rpi3/],
  [labLink, ["attic", "--loss", "101"], /^--loss: /],
  [labLink, ["attic", "--kbit", "fast"], /^--kbit: /],
  [labLink, ["attic", "--drop-every", "1s"], /^--drop-every: /],
])("a wrong option is called by its name, before any lab is looked for: %#", async (command, words, said) => {
  const run = command.run(parseInput(command, words, {}), { print() {}, note() {}, progress: silentProgress });
  await expect(run).rejects.toMatchObject({ code: "usage.invalid", message: expect.stringMatching(said), exitCode: 2 });
});
