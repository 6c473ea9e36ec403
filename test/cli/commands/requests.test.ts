// Commands that change a device, run against an agent's socket that accepts their requests.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { serveRequests } from "../../../agent/api/requests.ts";
import { startApi } from "../../../agent/api/server.ts";
import { rename } from "../../../cli/commands/device/rename.ts";
import { reset, whatIsLost } from "../../../cli/commands/device/reset.ts";
import { type Command, parseInput } from "../../../cli/terminal/command.ts";
import { makePageHandler } from "../../../dashboard/api/handler.ts";
import { HamletError } from "../../../system/error.ts";
import { makeProgress } from "../../../system/progress.ts";
import { makeStatusSource } from "../../dashboard/api/status-source.ts";

let folder: string;
let socket: string;
let api: { stop(): Promise<void> };
let source: ReturnType<typeof makeStatusSource>;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-requests-"));
  socket = join(folder, "agent.sock");
  source = makeStatusSource();
  const life = {
    async rename(name: string) {
      if (name === "cellar") throw new HamletError("name.taken", "another member is called cellar", { exitCode: 3 });
      source.state.self.name = name;
    },
    leave: async () => {},
    order: async () => [],
  };
  const device = {
    id: source.state.self.id,
    life: () => life,
    stateFolder: folder,
    isImage: true,
    internalDisk: async () => undefined,
    update: async () => {},
    updateActivity: () => undefined,
  };
  api = await startApi(socket, serveRequests(device, makePageHandler(source, "full")));
});
afterEach(async () => {
  await api.stop();
  await rm(folder, { recursive: true });
});

async function hamlet(command: Command, ...argv: string[]): Promise<string[]> {
  const lines: string[] = [];
  const [print, note] = [(line: string) => lines.push(line), () => {}];
  await command.run(parseInput(command, argv, {}), { print, note, progress: makeProgress() });
  return lines;
}

test("rename gives the device its new name and says what the old one was", async () => {
  expect(await hamlet(rename, "pantry", "--device", socket)).toEqual(["attic is now pantry"]);
  expect(await hamlet(rename, "pantry", "--device", socket)).toEqual(["it is already called pantry"]);
});

test("a taken name is refused with exit code 3, an invalid one with 2", async () => {
  await expect(hamlet(rename, "cellar", "--device", socket)).rejects.toMatchObject({ code: "name.taken", exitCode: 3 });
  await expect(hamlet(rename, "My_Attic", "--device", socket)).rejects.toMatchObject({ exitCode: 2 });
  expect(source.state.self.name).toBe("attic");
});

test("a device accepts no such request over the network, and the error says what works", async () => {
  for (const [command, ...argv] of [[rename, "pantry"] as const, [reset, "--yes"] as const]) {
    await expect(hamlet(command, ...argv, "--device", "192.0.2.7")).rejects.toMatchObject({
      code: "device.takesNoRequests",
      hint: expect.stringContaining("ssh root@"),
    });
  }
});

test("reset without a terminal and --yes requests nothing; on a machine without our image it leaves nothing for root", async () => {
  const tty = process.stdin.isTTY;
  process.stdin.isTTY = false;
  try {
    await expect(hamlet(reset, "--device", socket)).rejects.toMatchObject({
      code: "usage.invalid",
      message: expect.stringContaining("attic will leave Elm Street"),
    });
  } finally {
    process.stdin.isTTY = tty;
  }
  await expect(hamlet(reset, "--yes", "--device", socket)).rejects.toMatchObject({
    code: "reset.refused",
    exitCode: 3,
  });
});

test("reset names what is lost, and warns if no other member is alive to remember the neighborhood", () => {
  const { state } = source;
  expect(whatIsLost(state)).toBe(
    "attic will leave Elm Street and lose its identity, keys, Wi-Fi and SSH keys. 2 other members stay.",
  );
  for (const name of ["cellar", "kitchen"]) source.member(name).state = "dead";
  expect(whatIsLost(state)).toContain("No other member is alive");
  const { neighborhood: _, ...nobody } = state;
  expect(whatIsLost(nobody)).toContain("belongs to no neighborhood");
});
