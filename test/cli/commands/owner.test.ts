// The owner says who is in and who is out: real commands and a real folder, against the socket of a device whose membership is real.
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { serveRequests } from "../../../agent/api/requests.ts";
import { startApi } from "../../../agent/api/server.ts";
import { Warnings } from "../../../agent/health/warnings.ts";
import type { Identity } from "../../../agent/identity.ts";
import { admittersOf } from "../../../agent/membership/admissions.ts";
import { Membership } from "../../../agent/membership/membership.ts";
import { makeOrders } from "../../../agent/membership/orders.ts";
import { adoptionKind, rejectionKind, revocationKind } from "../../../agent/membership/root-orders.ts";
import { ownerAt } from "../../../cli/commands/device/open.ts";
import { adopt } from "../../../cli/commands/neighborhood/adopt.ts";
import { reject } from "../../../cli/commands/neighborhood/reject.ts";
import { revoke } from "../../../cli/commands/neighborhood/revoke.ts";
import { choose, waitingAt } from "../../../cli/commands/neighborhood/waiting.ts";
import { type Command, parseInput } from "../../../cli/terminal/command.ts";
import { findDevice } from "../../../cli/terminal/device.ts";
import { makePageHandler } from "../../../dashboard/api/handler.ts";
import { encodeProvisionFile } from "../../../provisioning/file/provision-file.ts";
import { issueToken, type TokenFile } from "../../../provisioning/neighborhood/issue-token.ts";
import {
  initNeighborhood,
  openNeighborhood,
  readNeighborhood,
  toProvision,
} from "../../../provisioning/neighborhood/neighborhood.ts";
import { adopt as signAdoption, reject as signRejection } from "../../../provisioning/neighborhood/orders.ts";
import { systemClock } from "../../../system/clock.ts";
import { HamletError } from "../../../system/error.ts";
import { silentLog } from "../../../system/log.ts";
import { silentProgress } from "../../../system/progress.ts";
import { makeStatusSource } from "../../dashboard/api/status-source.ts";
import { bootDevice } from "../../neighborhood.ts";

const passphrase = "correct horse battery";
const empty = makeStatusSource().state;
const openToMany = { validMs: 3_600_000, maxDevices: 9, tags: [] };
let made: string;
let folder: string;
let home: string;
let socket: string;
let api: { stop(): Promise<void> };
let membership: Membership;
let tokens: { auto: TokenFile; confirm: TokenFile };
let isFailing = false;
let losesAnswers = false;
/** What happens after the device was asked, and before it is handed an order. */
let meanwhile: () => Promise<unknown> = async () => {};
/** Asked instead of attic: it waits itself. */
let waits: Identity | undefined;
let neighborhood = { id: "", name: "" };
let devices: Record<"attic" | "cellar" | "shed" | "porch" | "guest", Identity>;

beforeAll(async () => {
  process.env["HAMLET_PASSPHRASE"] = passphrase;
  made = await mkdtemp(join(tmpdir(), "hamlet-owner-"));
  await initNeighborhood(join(made, "elm"), { name: "Elm Street", passphrase, now: Date.now() - 3_600_000 });
  const owner = await openNeighborhood(join(made, "elm"), passphrase);
  const issue = async (adopt: "auto" | "confirm") =>
    (await issueToken(owner, { ...openToMany, adopt, now: Date.now() - 3_000_000 })).file;
  tokens = { auto: await issue("auto"), confirm: await issue("confirm") };
});
afterAll(async () => {
  delete process.env["HAMLET_PASSPHRASE"];
  await rm(made, { recursive: true });
});

/** attic is asked; it knows cellar and shed, which have one token, and porch and guest wait. */
beforeEach(async () => {
  folder = await mkdtemp(join(made, "case-"));
  home = join(folder, "elm");
  await cp(join(made, "elm"), home, { recursive: true });
  const { auto, confirm } = tokens;
  const boot = (name: string, token = auto) => bootDevice(join(folder, name), encodeProvisionFile({ ...token, name }));
  devices = {
    attic: await boot("attic"),
    cellar: await boot("cellar"),
    shed: await boot("shed"),
    porch: await boot("porch", confirm),
    guest: await boot("guest", confirm),
  };
  const { attic, ...others } = devices;
  const warnings = new Warnings(systemClock, silentLog);
  const doors = { clock: systemClock, log: silentLog, warnings };
  membership = await Membership.open({ identity: attic, stateFolder: join(folder, "attic"), ...doors });
  for (const { jws } of Object.values(others)) await membership.receive({ record: jws });

  const source = makeStatusSource();
  const { status } = source;
  neighborhood = { id: attic.neighborhood.id, name: "Elm Street" };
  source.status = async () => {
    const shown = { ...(await status()), neighborhood };
    const [own, ...rest] = shown.members;
    const members = [...membership.members().values()].map(({ record, name, tokenId }) => ({
      ...{ ...rest[0]!, id: record.id, name, tokenId, admittedBy: admittersOf(record.admissions) },
    }));
    const { deviceKey } = waits ?? attic;
    const self = { ...shown.self, id: attic.id, name: "attic", deviceKey };
    if (waits) return { ...shown, phase: "pending", self: { ...self, name: "porch" }, members: [], pending: [] };
    return {
      ...shown,
      self,
      members: [{ ...own!, id: attic.id, tokenId: attic.token.id }, ...members],
      pending: membership.pending(),
    };
  };
  const take = makeOrders([revocationKind(membership), rejectionKind(membership), adoptionKind(membership)], () => {});
  isFailing = false;
  losesAnswers = false;
  meanwhile = async () => {};
  waits = undefined;
  const order: typeof take = async (documents) => {
    if (isFailing) throw new HamletError("device.noAnswer", "it lost its power just now");
    await meanwhile();
    const taken = await take(documents);
    if (losesAnswers) throw new HamletError("device.noAnswer", "it took it, and lost its power just then");
    return taken;
  };
  const life = { rename: async () => {}, leave: async () => {}, order };
  const device = { id: attic.id, life: () => life, stateFolder: folder, isImage: true };
  const rest = { internalDisk: async () => undefined, update: async () => {}, updateActivity: () => undefined };
  socket = join(folder, "agent.sock");
  api = await startApi(socket, serveRequests({ ...device, ...rest }, makePageHandler(source, "full")));
});
afterEach(() => api.stop());

let noted: string[];
const note = (line: string) => void noted.push(line);
async function hamlet(command: Command, ...argv: string[]): Promise<string[]> {
  const lines: string[] = [];
  const context = { print: (line: string) => void lines.push(line), note, progress: silentProgress };
  noted = [];
  await command.run(parseInput(command, [...argv, "--device", socket, "--neighborhood", home], {}), context);
  return lines;
}
/** Of the token for all, and of the one that asks for confirmation. */
const tokenIds = async (): Promise<string[]> => [devices.cellar.token.id, devices.porch.token.id];
const waiting = () => membership.pending().map(({ name }) => name);
const codeOf = (name: string) => membership.pending().find((one) => one.name === name)!.code;
/** What the device does by itself: it says hello again. */
const knocks = async (name: keyof typeof devices) => membership.receive({ record: devices[name].jws });

test("the buttons of hamlet open adopt or reject a device that waits, and no other", async () => {
  const values = { device: socket, neighborhood: home };
  const device = await findDevice(values);
  const buttons = (await ownerAt(device, values))!;
  await expect(buttons.adopt(devices.shed.deviceKey)).rejects.toMatchObject({ code: "adoption.notWaiting" });
  await buttons.adopt(devices.porch.deviceKey);
  await knocks("porch");
  expect(waiting()).toEqual(["guest"]);
  await buttons.reject(devices.guest.deviceKey);
  await knocks("guest");
  expect(waiting()).toEqual([]);
  await rm(join(home, "root.key"));
  expect(await ownerAt(device, values)).toBeUndefined();
});

test("adopt: the device that shows the code becomes a member, and nobody else does", async () => {
  expect(waiting()).toEqual(["porch", "guest"]);
  const adopting = hamlet(adopt, "porch", "--code", codeOf("porch"), "--yes");
  const knocking = setInterval(() => void knocks("porch"), 50);
  expect(await adopting).toEqual(["porch is a member of Elm Street"]);
  clearInterval(knocking);
  expect(waiting()).toEqual(["guest"]);
  expect(await knocks("guest")).toMatchObject({ kind: "pending" });
});

test("adopt: a code names a device too, however it is written", async () => {
  const code = codeOf("guest").replaceAll("-", "").toUpperCase();
  const adopting = hamlet(adopt, code, "--code", code, "--yes", "--json");
  const knocking = setInterval(() => void knocks("guest"), 50);
  expect(JSON.parse((await adopting)[0]!)).toMatchObject({ name: "guest", isMember: true });
  clearInterval(knocking);
});

test("adopt shows the code of the key that it signs, whatever code the answer claims", () => {
  const [porch, guest] = membership.pending();
  const lie = { ...porch!, deviceKey: guest!.deviceKey };
  expect(waitingAt({ ...empty, pending: [lie] })).toEqual([
    { name: "porch", deviceKey: lie.deviceKey, code: guest!.code },
  ]);
  expect(() => choose(waitingAt({ ...empty, pending: [lie] }), "porch", porch!.code, "attic")).toThrow(
    /the code is not/,
  );
});

test("adopt signs nothing for a wrong code, an unknown name, without a choice, or without the code that --yes needs", async () => {
  const yes = ["--yes", "--code"];
  const cases: [argv: string[], refusal: object][] = [
    [["porch", ...yes, codeOf("guest")], { code: "adoption.wrongCode", exitCode: 3 }],
    [["nobody", ...yes, codeOf("guest")], { code: "adoption.notWaiting", exitCode: 1 }],
    [
      ["cellar", ...yes, codeOf("guest")],
      { code: "adoption.notWaiting", hint: "a member is called cellar: see hamlet status" },
    ],
    [["porch", "--yes"], { code: "usage.invalid", exitCode: 2 }],
    // Two wait, and there is no terminal to ask on.
    [[], { code: "adoption.ambiguous", exitCode: 3 }],
    [["porch"], { code: "usage.invalid", exitCode: 2 }],
  ];
  for (const [argv, refusal] of cases) await expect(hamlet(adopt, ...argv)).rejects.toMatchObject(refusal);
  expect(membership.adoptions().size).toBe(0);
});

test("reject: a device waits no more, whatever it says, until the owner adopts it after all", async () => {
  const { deviceKey } = membership.pending().find(({ name }) => name === "porch")!;
  expect(await hamlet(reject, "porch", "--yes")).toEqual(["porch is turned away for 24 hours"]);
  expect(waiting()).toEqual(["guest"]);
  expect(await knocks("porch")).toEqual({ kind: "refused", because: "deviceRejected" });
  expect(await knocks("guest")).toMatchObject({ kind: "pending" });
  expect(JSON.parse((await hamlet(reject, codeOf("guest"), "--yes", "--json"))[0]!)).toMatchObject({ name: "guest" });
  const owner = await openNeighborhood(home, passphrase);
  await membership.adopt(await signAdoption(owner, deviceKey, Date.now() + 1));
  expect(await knocks("porch")).toMatchObject({ kind: "member" });
});

test("reject and its button say so when somebody else has let the device in meanwhile", async () => {
  const owner = await openNeighborhood(home, passphrase);
  const adoptFirst = (name: "porch" | "guest") => async () => {
    await membership.adopt(await signAdoption(owner, devices[name].deviceKey, Date.now()));
    await knocks(name);
  };
  const overtaken = { code: "order.overtaken", exitCode: 3, hint: expect.stringContaining("hamlet revoke") };
  meanwhile = adoptFirst("porch");
  await expect(hamlet(reject, "porch", "--yes")).rejects.toMatchObject(overtaken);
  meanwhile = adoptFirst("guest");
  const values = { device: socket, neighborhood: home };
  const { reject: press } = (await ownerAt(await findDevice(values), values))!;
  await expect(press(devices.guest.deviceKey)).rejects.toMatchObject(overtaken);
  expect([...membership.members().values()].map(({ name }) => name)).toEqual(["cellar", "shed", "porch", "guest"]);
});

test("adopt: who was adopted meanwhile is in, and who was turned away meanwhile is not", async () => {
  const owner = await openNeighborhood(home, passphrase);
  meanwhile = async () => {
    await membership.adopt(await signAdoption(owner, devices.porch.deviceKey, Date.now() + 5));
    await knocks("porch");
  };
  expect(await hamlet(adopt, "porch", "--code", codeOf("porch"), "--yes")).toEqual(["porch is a member of Elm Street"]);
  meanwhile = async () =>
    void (await membership.reject(await signRejection(owner, devices.guest.deviceKey, Date.now() + 5_000)));
  await expect(hamlet(adopt, "guest", "--code", codeOf("guest"), "--yes")).rejects.toMatchObject({
    ...{ code: "order.overtaken", exitCode: 3 },
  });
});

test("reject hands nothing to the device that is turned away, neither by the command nor by its button", async () => {
  waits = devices.porch;
  const refusal = { code: "order.toItself", exitCode: 3, hint: expect.stringContaining("--device <member>") };
  await expect(hamlet(reject, "porch", "--yes")).rejects.toMatchObject(refusal);
  const values = { device: socket, neighborhood: home };
  const buttons = (await ownerAt(await findDevice(values), values))!;
  await expect(buttons.reject(devices.porch.deviceKey)).rejects.toMatchObject(refusal);
  expect(membership.rejections().size).toBe(0);
  await buttons.adopt(devices.porch.deviceKey);
  expect(membership.adoptions().size).toBe(1);
});

test("revoke hands nothing to a device that it puts out, by its key or by its token", async () => {
  const refusal = { code: "order.toItself", exitCode: 3, hint: expect.stringContaining("--device <member>") };
  await expect(hamlet(revoke, "attic", "--stays", "all", "--yes")).rejects.toMatchObject(refusal);
  await expect(hamlet(revoke, "cellar", "--stays", "shed", "--yes")).rejects.toMatchObject(refusal);
  expect((await readNeighborhood(home)).file.revocations).toEqual([]);
  expect(membership.revocations().documents).toEqual([]);
});

test("reject signs nothing for a member, a wrong code, or without an answer", async () => {
  await expect(hamlet(reject, "cellar", "--yes")).rejects.toMatchObject({ code: "adoption.notWaiting" });
  await expect(hamlet(reject, "porch", "--code", codeOf("guest"), "--yes")).rejects.toMatchObject({
    code: "adoption.wrongCode",
  });
  await expect(hamlet(reject, "porch")).rejects.toMatchObject({ code: "usage.invalid" });
  expect(waiting()).toEqual(["porch", "guest"]);
});

test("revoke: a device is out at once and for good, the folder keeps it, and every later token carries it", async () => {
  expect(await hamlet(revoke, "cellar", "--stays", "all", "--yes")).toEqual(["cellar is out of Elm Street"]);
  const names = () => [...membership.members().values()].map(({ name }) => name);
  expect(names()).toEqual(["shed"]);
  expect(await knocks("cellar")).toEqual({ kind: "refused", because: "deviceRevoked" });
  const { file, revocations } = await readNeighborhood(home);
  expect([...revocations.devices]).toEqual([devices.cellar.id]);
  expect(toProvision(await readNeighborhood(home)).revocations).toEqual(file.revocations);
});

test("revoke: only those stay whom the owner names, and another card with the token gains nothing", async () => {
  await hamlet(revoke, "cellar", "--stays", "none", "--yes");
  expect(membership.members().size).toBe(0);
  // The asked device goes too, and knows nobody who stays.
  expect(noted[0]).toContain("no member that stays has heard of it");
  expect(await knocks("shed")).toEqual({ kind: "refused", because: "tokenClosed" });
});

test("revoke asks who stays, and takes no name that did not join with the token", async () => {
  await expect(hamlet(revoke, "cellar", "--yes")).rejects.toMatchObject({
    ...{ code: "revocation.stays", exitCode: 2, message: expect.stringContaining("shed") },
  });
  await expect(hamlet(revoke, "cellar", "--stays", "porch", "--yes")).rejects.toMatchObject({
    code: "revocation.stays",
  });
  await expect(hamlet(revoke, "nobody", "--yes")).rejects.toMatchObject({ code: "revocation.unknown" });
  await expect(hamlet(revoke, "cellar", "--stays", "all")).rejects.toMatchObject({ code: "usage.invalid" });
  expect((await readNeighborhood(home)).file.revocations).toEqual([]);
  expect(membership.members().size).toBe(2);
});

test("revoke signs nothing with the key of another neighborhood than the device's", async () => {
  neighborhood = { id: "o".repeat(26), name: "Oak Street" };
  await expect(hamlet(revoke, "cellar", "--stays", "all", "--yes")).rejects.toMatchObject({
    ...{ code: "provision.otherNeighborhood", exitCode: 3, message: expect.stringContaining("Oak Street") },
  });
  expect((await readNeighborhood(home)).file.revocations).toEqual([]);
});

test("revoke: a later word about who stays is signed too, and puts out whom it does not name, adopted or not", async () => {
  const order = (name: keyof typeof devices) => hamlet(adopt, name, "--code", codeOf(name), "--yes");
  const adopting = order("porch");
  const knocking = setInterval(() => void knocks("porch"), 50);
  await adopting;
  clearInterval(knocking);
  const [, confirm] = await tokenIds();
  await hamlet(revoke, confirm!, "--stays", "all", "--yes");
  expect(await knocks("porch")).toMatchObject({ kind: "member" });
  await hamlet(revoke, confirm!, "--stays", "none", "--yes");
  expect(await knocks("porch")).toMatchObject({ kind: "refused" });
  expect((await readNeighborhood(home)).file.revocations).toHaveLength(2);
});

test("revoke: what was signed but reached nobody is handed out by the same command, and signed once", async () => {
  isFailing = true;
  const again = () => hamlet(revoke, "cellar", "--stays", "all", "--yes");
  await expect(again()).rejects.toMatchObject({ code: "device.noAnswer" });
  expect(membership.members().has(devices.cellar.id)).toBe(true);
  isFailing = false;
  expect(await again()).toEqual(["cellar is out of Elm Street"]);
  expect(membership.members().has(devices.cellar.id)).toBe(false);
  expect((await readNeighborhood(home)).file.revocations).toHaveLength(1);
});

test("revoke: a device that took it and whose answer was lost is out already, by name and by id, and nothing is signed twice", async () => {
  losesAnswers = true;
  await expect(hamlet(revoke, "cellar", "--stays", "all", "--yes")).rejects.toMatchObject({ code: "device.noAnswer" });
  expect(noted.join()).toContain("repeat the command");
  losesAnswers = false;
  // It answers for the device only: an operator of that name stays.
  const { cellar } = devices;
  for (const argv of [["cellar", "--stays", "all"], ["cellar"], [cellar.id], ["cellar", "--stays", "attic,shed"]]) {
    expect(await hamlet(revoke, ...argv, "--yes")).toEqual(["cellar is out of Elm Street already"]);
  }
  expect((await readNeighborhood(home)).file.revocations).toHaveLength(1);
  expect((await hamlet(revoke, "--list")).join("\n")).toContain(`revoked devices: cellar (${cellar.id})`);
  // Who stays may still be said otherwise.
  await hamlet(revoke, "cellar", "--stays", "attic", "--yes");
  expect(membership.members().size).toBe(0);
});

test("revoke: of two at once the folder keeps both, and so does the device", async () => {
  const said = await Promise.all([
    hamlet(revoke, "cellar", "--stays", "all", "--yes"),
    hamlet(revoke, "owner", "--yes"),
  ]);
  expect(said).toEqual([["cellar is out of Elm Street"], ["owner is out of Elm Street"]]);
  const { revocations } = await readNeighborhood(home);
  expect([revocations.devices.size, revocations.operators.size]).toEqual([1, 1]);
  expect(membership.revocations().documents).toHaveLength(2);
});

test("revoke: an operator and a token, and the list that names them", async () => {
  const [token] = await tokenIds();
  expect(await hamlet(revoke, "owner", "--yes")).toEqual(["owner is out of Elm Street"]);
  expect(await hamlet(revoke, "owner", "--yes")).toEqual(["owner is out of Elm Street already"]);
  expect((await readNeighborhood(home)).file.revocations).toHaveLength(1);
  expect(membership.revocations().operators.size).toBe(1);
  await hamlet(revoke, token!, "--stays", "all", "--yes");
  const listed = (await hamlet(revoke, "--list")).join("\n");
  expect(listed).toMatch(/owner .*revoked/);
  expect(listed).toMatch(new RegExp(`${token!}.*revoked`));
});
