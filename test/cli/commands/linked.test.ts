// Commands to a device on the link from its owner's computer, which is no member: they are questions that the operator key signs.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { unknownQuestion } from "../../../agent/api/errors.ts";
import { updateStatusOf } from "../../../agent/api/own-status.ts";
import { netExplain } from "../../../cli/commands/device/net-explain.ts";
import { rename } from "../../../cli/commands/device/rename.ts";
import { reset } from "../../../cli/commands/device/reset.ts";
import { status } from "../../../cli/commands/device/status.ts";
import { adopt } from "../../../cli/commands/neighborhood/adopt.ts";
import { updateCheck } from "../../../cli/commands/update/check.ts";
import { updateHistory } from "../../../cli/commands/update/history.ts";
import { updateInstall } from "../../../cli/commands/update/install.ts";
import { updateSeen } from "../../../cli/commands/update/seen.ts";
import { type Command, parseInput } from "../../../cli/terminal/command.ts";
import { verifyAdoption } from "../../../provisioning/trust/adoption.ts";
import { adoptionCodeOf } from "../../../provisioning/trust/adoption-code.ts";
import { readUnverified } from "../../../provisioning/trust/jws.ts";
import { generateSigningKey } from "../../../provisioning/trust/keys.ts";
import { deviceIdOf } from "../../../provisioning/trust/names.ts";
import { Question } from "../../../provisioning/trust/question.ts";
import { HamletError } from "../../../system/error.ts";
import { silentProgress } from "../../../system/progress.ts";
import { reportOf } from "../../agent/update/updater.ts";
import { eventually } from "../../eventually.ts";
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
let asked: object[];
let isOlder = false;
beforeEach(async () => {
  process.env["HAMLET_PASSPHRASE"] = passphrase;
  asked = [];
  let report = reportOf({ checkedAtMs: 1, newest: "0.1.0" });
  device = await startLinkedDevice(elm, {
    async rename({ name }) {
      if (name === "cellar") throw new HamletError("name.taken", "another member is called cellar", { exitCode: 3 });
      device.source.state.self.name = name;
      return { name };
    },
    async update(request) {
      asked.push(request);
      report = { ...report, checkedAtMs: report.checkedAtMs! + 1 };
      device.source.state.update = updateStatusOf(report);
      return request;
    },
    async resetNonce() {
      if (isOlder) throw unknownQuestion("resetNonce");
      return { nonce: "roots" };
    },
    async reset(body, { question }) {
      asked.push([body, readUnverified("hamlet-question", question, Question).kind]);
      return body;
    },
    updateReport: async () => report,
  });
  device.source.state.update = updateStatusOf(report);
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

test("net explain, rename and the update commands reach the device, and its refusals come back", async () => {
  expect((await owned(netExplain, "cellar"))[0]).toMatch(/^cellar /);
  expect(await owned(rename, "pantry")).toEqual(["attic is now pantry"]);
  await expect(owned(rename, "cellar")).rejects.toMatchObject({ code: "name.taken", exitCode: 3 });
  expect(await owned(updateCheck)).toEqual(["pantry runs 0.1.0, the newest release"]);
  expect(await owned(updateSeen)).toEqual(["there was nothing to acknowledge"]);
  expect(await owned(updateSeen, "--json")).toEqual(['{"acknowledged":null}']);
  expect(asked).toEqual([{ kind: "check" }, { kind: "seen" }, { kind: "seen" }]);
  expect(await owned(updateHistory)).toEqual(["no update has ended yet"]);
});

test("adopt asks a member who waits, and hands it the root's word", async () => {
  const { publicKey: deviceKey } = generateSigningKey();
  const [id, code] = [deviceIdOf(deviceKey), adoptionCodeOf(deviceKey)];
  const { source, orders } = device;
  source.state.pending = [{ id, name: "porch", deviceKey, code, because: "needsConfirmation" }];
  const adopting = owned(adopt, "porch", "--yes", "--code", code);
  await eventually(() => expect(orders).toHaveLength(1), { within: 20_000 });
  source.state.members.push({ ...source.member("cellar"), id, name: "porch" });
  expect(await adopting).toEqual(["porch is a member of Elm Street"]);
  expect(await verifyAdoption(orders[0]!, elm.keys)).toMatchObject({ deviceKey });
});

test("reset signs a nonce of root's on the device, and none for a device of the release before, which has none", async () => {
  expect(await owned(reset, "--yes")).toEqual(["attic restarts without a neighborhood"]);
  const { id } = device.identity;
  expect(asked).toEqual([[{ id, nonce: "roots" }, "reset"]]);
  isOlder = true;
  expect(await owned(reset, "--yes")).toEqual(["attic restarts without a neighborhood"]);
  expect(asked[1]).toEqual([{ id }, "reset"]);
  isOlder = false;
});

test("what needs root or the owner's keys is refused, with the way that works", async () => {
  const refused = { code: "device.takesNoRequests", hint: expect.stringContaining("ssh root@") };
  const commands: [Command, ...string[]][] = [
    [rename, "pantry"],
    [updateCheck],
    [updateHistory],
    [reset, "--yes"],
    [updateInstall, "/mnt"],
  ];
  for (const [command, ...argv] of commands) await expect(hamlet(command, ...argv)).rejects.toMatchObject(refused);
  expect(asked).toEqual([]);
});
