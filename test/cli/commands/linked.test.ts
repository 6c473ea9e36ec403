// Commands to a device on the link from its owner's computer, which is no member: they are questions that the operator key signs.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { status } from "../../../cli/commands/device/status.ts";
import { type Command, parseInput } from "../../../cli/terminal/command.ts";
import { silentProgress } from "../../../system/progress.ts";
import {
  type LinkedDevice,
  makeOwnersFolder,
  type OwnersFolder,
  passphrase,
  startLinkedDevice,
} from "../../linked-device.ts";

let elm: OwnersFolder;
let device: LinkedDevice;
beforeAll(async () => {
  elm = await makeOwnersFolder();
});
afterAll(() => elm.remove());
beforeEach(async () => {
  process.env["HAMLET_PASSPHRASE"] = passphrase;
  device = await startLinkedDevice(elm);
});
afterEach(async () => {
  delete process.env["HAMLET_PASSPHRASE"];
  await device[Symbol.asyncDispose]();
});

async function hamlet(command: Command, ...argv: string[]): Promise<string[]> {
  const lines: string[] = [];
  const context = {
    print: (...printed: string[]) => void lines.push(...printed),
    note: () => {},
    progress: silentProgress,
  };
  await command.run(parseInput(command, [...argv, "--device", device.address], {}), context);
  return lines;
}
const owned = (command: Command, ...argv: string[]) => hamlet(command, ...argv, "--neighborhood", elm.folder);

test("status: to its owner a device on the link tells all, to another computer its public page alone", async () => {
  expect((await owned(status)).join("\n")).toMatch(/attic[\s\S]*cellar[\s\S]*kitchen/);
  await expect(hamlet(status)).rejects.toMatchObject({
    code: "device.noAnswer",
    hint: expect.stringContaining("--neighborhood"),
  });
  process.env["HAMLET_PASSPHRASE"] = "not the passphrase";
  await expect(owned(status)).rejects.toMatchObject({ code: "neighborhood.wrongPassphrase" });
  await expect(hamlet(status, "--neighborhood", "/no/such/folder")).rejects.toMatchObject({
    code: "neighborhood.notFound",
  });
});
