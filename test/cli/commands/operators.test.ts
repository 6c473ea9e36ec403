// What operators type: real commands and real folders, against the socket of a device whose membership and orders are real.
import { cp, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { ordersStatusOf } from "../../../agent/api/orders.ts";
import { serveRequests } from "../../../agent/api/requests.ts";
import type { Status } from "../../../agent/api/schema.ts";
import { startApi } from "../../../agent/api/server.ts";
import { Warnings } from "../../../agent/health/warnings.ts";
import type { Identity } from "../../../agent/identity.ts";
import { Membership } from "../../../agent/membership/membership.ts";
import { makeOrders, type OrderKind, type TakeOrders } from "../../../agent/membership/orders.ts";
import { revocationKind } from "../../../agent/membership/root-orders.ts";
import { operatorOrderKinds } from "../../../agent/orders/kinds.ts";
import { Orders } from "../../../agent/orders/orders.ts";
import { forget } from "../../../cli/commands/neighborhood/forget.ts";
import { hold } from "../../../cli/commands/neighborhood/hold.ts";
import { operatorAdd } from "../../../cli/commands/neighborhood/operator-add.ts";
import { operatorList } from "../../../cli/commands/neighborhood/operator-list.ts";
import { revoke } from "../../../cli/commands/neighborhood/revoke.ts";
import { rolloutAbort } from "../../../cli/commands/rollout/abort.ts";
import { rolloutPause } from "../../../cli/commands/rollout/pause.ts";
import { rolloutPromote } from "../../../cli/commands/rollout/promote.ts";
import { rolloutResume } from "../../../cli/commands/rollout/resume.ts";
import { rolloutStart } from "../../../cli/commands/rollout/start.ts";
import { type Command, parseInput } from "../../../cli/terminal/command.ts";
import { makePageHandler } from "../../../dashboard/api/handler.ts";
import { autoId } from "../../../ota/rollout/auto.ts";
import { encodeProvisionFile } from "../../../provisioning/file/provision-file.ts";
import { issueToken, type TokenFile } from "../../../provisioning/neighborhood/issue-token.ts";
import {
  initNeighborhood,
  openNeighborhood,
  readNeighborhood,
} from "../../../provisioning/neighborhood/neighborhood.ts";
import { openOperator } from "../../../provisioning/neighborhood/operators.ts";
import { signForget } from "../../../provisioning/trust/forget.ts";
import { signHold } from "../../../provisioning/trust/hold.ts";
import { signatureOf } from "../../../provisioning/trust/order.ts";
import { signRollout } from "../../../provisioning/trust/rollout.ts";
import { systemClock } from "../../../system/clock.ts";
import { silentLog } from "../../../system/log.ts";
import { silentProgress } from "../../../system/progress.ts";
import { makeStatusSource } from "../../dashboard/api/status-source.ts";
import { bootDevice } from "../../neighborhood.ts";

const passphrase = "correct horse battery";
let made: string;
let token: TokenFile;
let folder: string;
let home: string;
let socket: string;
let api: { stop(): Promise<void> };
let orders: Orders;
let membership: Membership;
let orderKind: (kind: string) => OrderKind;
let cellar: Identity;
let cellarState: "alive" | "dead";
let belongsTo: string;
let life: { rename(): Promise<void>; leave(): Promise<void>; order: TakeOrders };
let underWay: Status["rollout"];
let members: (all: Status["members"]) => Status["members"];
/** What happens after the device was asked, and before it is handed an order. */
let meanwhile: () => Promise<unknown> = async () => {};

beforeAll(async () => {
  process.env["HAMLET_PASSPHRASE"] = passphrase;
  made = await mkdtemp(join(tmpdir(), "hamlet-operators-"));
  const now = Date.now() - 3_600_000;
  await initNeighborhood(join(made, "elm"), { name: "Elm Street", passphrase, now });
  const owner = await openNeighborhood(join(made, "elm"), passphrase);
  ({ file: token } = await issueToken(owner, { validMs: 86_400_000, maxDevices: 9, tags: [], adopt: "auto", now }));
});
afterAll(async () => {
  delete process.env["HAMLET_PASSPHRASE"];
  await rm(made, { recursive: true });
});

/** attic is asked; it knows cellar. */
beforeEach(async () => {
  folder = await mkdtemp(join(made, "case-"));
  home = join(folder, "elm");
  await cp(join(made, "elm"), home, { recursive: true });
  const boot = (name: string) => bootDevice(join(folder, name), encodeProvisionFile({ ...token, name }));
  const attic = await boot("attic");
  cellar = await boot("cellar");
  const doors = { log: silentLog, warnings: new Warnings(systemClock, silentLog) };
  const stateFolder = join(folder, "attic");
  membership = await Membership.open({ identity: attic, stateFolder, clock: systemClock, ...doors });
  await membership.receive({ record: cellar.jws });
  const { neighborhood } = attic;
  const revocations = () => membership.revocations();
  orders = await Orders.open({ neighborhood, stateFolder, revocations, clock: systemClock, ...doors });

  belongsTo = neighborhood.id;
  meanwhile = async () => {};
  cellarState = "alive";
  underWay = undefined;
  members = (all) => all;
  const source = makeStatusSource();
  const { status } = source;
  source.status = async () => {
    const shown = await status();
    const member = { ...shown.members[1]!, id: cellar.id, name: "cellar", state: cellarState };
    const seen = { members: members([shown.members[0]!, member]), orders: ordersStatusOf(orders) };
    const rollout = underWay && { rollout: underWay };
    return { ...shown, ...seen, ...rollout, neighborhood: { id: belongsTo, name: "Elm Street" } };
  };
  const kinds = operatorOrderKinds(orders);
  orderKind = (wanted) => kinds.find(({ kind }) => kind === wanted)!;
  const take = makeOrders([revocationKind(membership), ...kinds], () => {});
  const order: typeof take = async (documents) => {
    await meanwhile();
    return take(documents);
  };
  life = { rename: async () => {}, leave: async () => {}, order };
  const device = { id: attic.id, life: () => life, stateFolder: folder, isImage: true };
  const rest = { internalDisk: async () => undefined, update: async () => {}, updateActivity: () => undefined };
  socket = join(folder, "agent.sock");
  api = await startApi(socket, serveRequests({ ...device, ...rest }, makePageHandler(source, "full")));
});
afterEach(() => api.stop());

async function hamlet(command: Command, ...argv: string[]): Promise<string> {
  const lines: string[] = [];
  const say = (...more: string[]) => void lines.push(...more);
  const from = argv.includes("--neighborhood") ? [] : ["--neighborhood", home];
  const input = parseInput(command, [...argv, ...from, ...(command === operatorList ? [] : ["--device", socket])], {});
  await command.run(input, { print: say, note: say, progress: silentProgress });
  return lines.join("\n");
}
const start = (...more: string[]) => hamlet(rolloutStart, "--release", "1.4.0", ...more);
const standing = () =>
  orders
    .rollouts()
    .map(({ state, rollout: { number, release, promoted } }) => ({ ...{ state, number, release, promoted } }));

test("rollout start says the terms that are signed, and the device has them", async () => {
  const said = await start(
    ...[
      "--waves",
      "canary,25%,100%",
      "--soak",
      "90s",
      "--success",
      "90%",
      "--max-failures",
      "2",
      "--max-unavailable",
      "3",
    ],
    ...["--window", "02:00-05:00", "--tag", "home"],
  );
  expect(said).toMatch(
    /^rollout [\w-]{8} of 1\.4\.0 has started: waves canary, 25 %, 100 %; soak 90 s; success 90 %; stops at failure 2; 3 away at most; only 02:00-05:00; only tag home$/,
  );
  expect(orders.rollouts()).toMatchObject([
    {
      ...{ state: "running", operators: ["owner"] },
      rollout: { waves: ["canary", 25, 100], soakSeconds: 90, maxFailures: 2, window: "02:00-05:00", tag: "home" },
    },
  ]);
  expect(await start("--soak", "2h")).toContain("; soak 2 h; ");
  expect(await start()).toMatch(/it waits until those before it are done or aborted: 1\.4\.0 \([\w-]{8}\), 1\.4\.0/);
});

test("rollout start warns before it signs if nobody would take part", async () => {
  members = (all) => all.map((member) => ({ ...member, release: "1.3.0", tags: ["cellar"] }));
  expect(await start("--tag", "home")).toMatch(
    /^nobody here takes part: 2 lack the tag; whoever joins later may\nroll/,
  );
  expect(await start("--tag", "cellar")).toMatch(/^rollout/);
  members = (all) => all.map((member) => ({ ...member, release: "1.4.0" }));
  expect(await start()).toMatch(/^nobody here takes part: 2 have it or a newer one; /);
});

test("rollout start takes no term that no device would follow", async () => {
  const wrong = [
    ["--waves", "100%,canary"],
    ["--waves", "10%,5%"],
    ["--waves", "0.5%"],
    ["--soak", "soon"],
    ["--success", "101%"],
    ["--max-failures", "-1"],
    ["--max-unavailable", "0"],
    ["--window", "2-5"],
    ["--tag", "Home!"],
    ["--release", "../1"],
  ];
  for (const [option, value] of wrong) {
    const argv = ["--release", "1.4.0"].filter(() => option !== "--release");
    await expect(hamlet(rolloutStart, ...argv, `${option}=${value}`)).rejects.toMatchObject({
      ...{ code: "usage.invalid", exitCode: 2, message: expect.stringContaining(`${option} ${value} `) },
    });
  }
  await expect(hamlet(rolloutStart)).rejects.toMatchObject({ message: "--release is missing" });
  expect(orders.rollouts()).toEqual([]);
});

test("pause, promote, resume and abort each sign the next number; what is aborted stays so", async () => {
  await start();
  expect(await hamlet(rolloutPause)).toMatch(/of 1\.4\.0 is paused$/);
  expect(await hamlet(rolloutPromote)).toContain("soak and threshold of wave 1 (canary)");
  expect(standing()).toEqual([{ state: "paused", number: 3, release: "1.4.0", promoted: 1 }]);
  expect(JSON.parse(await hamlet(rolloutResume, "1.4.0", "--json"))).toMatchObject({ number: 4, state: "running" });
  await expect(hamlet(rolloutAbort)).rejects.toMatchObject({ code: "usage.invalid" });
  expect(await hamlet(rolloutAbort, "--yes")).toMatch(/is aborted$/);
  expect(standing()).toEqual([{ state: "aborted", number: 5, release: "1.4.0", promoted: 1 }]);
  await expect(hamlet(rolloutResume, "1.4.0")).rejects.toMatchObject({ code: "rollout.over", exitCode: 3 });
  await expect(hamlet(rolloutResume)).rejects.toMatchObject({ code: "rollout.unknown" });
});

test("a rollout is named by its release or its id where there are several", async () => {
  await start();
  await hamlet(rolloutStart, "--release", "1.5.0");
  await expect(hamlet(rolloutPause)).rejects.toMatchObject({ code: "rollout.ambiguous", exitCode: 3 });
  await expect(hamlet(rolloutPause, "2.0.0")).rejects.toMatchObject({
    ...{ code: "rollout.unknown", hint: expect.stringContaining("1.5.0") },
  });
  const [first] = orders.rollouts();
  await hamlet(rolloutPause, first!.rollout.rollout.slice(0, 8));
  expect(standing()).toMatchObject([{ state: "paused" }, { state: "running" }]);
});

test("a rollout that is done is not meant, and the wave that is under way is promoted", async () => {
  await start();
  await hamlet(rolloutStart, "--release", "1.5.0");
  const [done, next] = orders.rollouts().map(({ rollout }) => rollout);
  const facts = {
    number: 1,
    operators: ["owner"],
    updated: 1,
    failed: 0,
    total: 3,
    isWindowIgnored: false,
    members: [],
  };
  const { rollout, release, waves } = next!;
  underWay = { ...facts, rollout, release, waves, state: "running", wave: 2, later: [] };
  expect(await hamlet(rolloutPromote)).toMatch(/of 1\.5\.0 .* of wave 3 \(50 %\)/);
  expect(standing()).toMatchObject([{ promoted: 0 }, { promoted: 3 }]);
  expect(await start()).toMatch(/it waits until those before it are done or aborted: 1\.5\.0 \([\w-]{8}\)$/);
  underWay = { ...underWay, rollout: done!.rollout, release: done!.release, state: "finished" };
  await expect(hamlet(rolloutPause)).rejects.toMatchObject({ code: "rollout.unknown" });
});

test("promote does not go on with a rollout that failures or a disagreement have stopped", async () => {
  await start();
  const [{ rollout }] = orders.rollouts() as [ReturnType<typeof orders.rollouts>[number]];
  const { rollout: id, release, waves } = rollout;
  const facts = { number: 1, operators: ["owner"], updated: 0, failed: 1, total: 3, isWindowIgnored: false };
  underWay = { ...facts, rollout: id, release, waves, state: "paused", wave: 0, members: [], later: [] };
  const refusal = { code: "rollout.paused", hint: expect.stringContaining("hamlet rollout resume"), exitCode: 3 };
  await expect(hamlet(rolloutPromote)).rejects.toMatchObject(refusal);
  underWay = undefined;
  const owner = await openOperator(await readNeighborhood(home), passphrase);
  await orders.take("rollout", await signRollout({ ...rollout, promoted: 1 }, owner.key));
  await expect(hamlet(rolloutPromote)).rejects.toMatchObject(refusal);
  expect(orders.rollouts()).toMatchObject([{ state: "paused", rollout: { number: 1 } }]);
});

test("who is overtaken by another operator hears so, and nothing is said to be done", async () => {
  await start();
  const owner = await openOperator(await readNeighborhood(home), passphrase);
  const [{ rollout }] = orders.rollouts() as [ReturnType<typeof orders.rollouts>[number]];
  const overtake = (number: number, state: "running" | "paused" | "aborted" = "running", promoted = 2) => {
    meanwhile = async () =>
      void (await orders.take("rollout", await signRollout({ ...rollout, number, state, promoted }, owner.key)));
  };
  const overtaken = { code: "order.overtaken", exitCode: 3, hint: expect.stringContaining("hamlet rollout status") };
  overtake(3);
  await expect(hamlet(rolloutPause)).rejects.toMatchObject(overtaken);
  expect(standing()).toMatchObject([{ state: "running", number: 3 }]);
  // Under one number two say different things: nobody goes on.
  overtake(4, "paused");
  await expect(hamlet(rolloutResume)).rejects.toMatchObject(overtaken);
  expect(orders.rollouts()).toMatchObject([{ state: "paused", because: "operatorsDisagree" }]);
  overtake(6, "aborted");
  expect(await hamlet(rolloutAbort, "1.4.0", "--yes")).toMatch(/is aborted already$/);

  const film = { ...signatureOf(rollout.neighborhood, owner), device: cellar.id, issuedAt: Date.now() };
  meanwhile = async () =>
    void (await orders.take(
      "hold",
      await signHold({ ...film, number: 2, until: Date.now() + 9, reason: "x" }, owner.key),
    ));
  await expect(hamlet(hold, "cellar", "--end")).rejects.toMatchObject({
    ...{ code: "order.overtaken", exitCode: 3, hint: expect.stringContaining("run the command again") },
  });
  meanwhile = async () => void (await orders.take("forget", await signForget({ ...film, number: 5 }, owner.key)));
  expect(await hamlet(forget, "cellar", "--yes")).toMatch(/^nobody waits for cellar any more: .*already\n/);
});

test("a device that has the very order already is no other's word", async () => {
  const { order } = life;
  life.order = async (documents) => {
    await order(documents);
    return order(documents);
  };
  expect(await start()).toContain("has started");
  expect(await hamlet(rolloutPause)).toMatch(/is paused$/);
});

test("a rollout whose numbers are used up takes no change but an abort, so that it blocks no other", async () => {
  await start();
  const owner = await openOperator(await readNeighborhood(home), passphrase);
  const [{ rollout }] = orders.rollouts() as [ReturnType<typeof orders.rollouts>[number]];
  await orders.take("rollout", await signRollout({ ...rollout, number: 2 ** 40 }, owner.key));
  await expect(hamlet(rolloutPause)).rejects.toMatchObject({ code: "rollout.over" });
  await hamlet(rolloutAbort, "--yes");
  expect(standing()).toMatchObject([{ state: "aborted", number: 2 ** 40 }]);
});

test("hold: a device or all take no update until then, or until it is ended", async () => {
  expect(await hamlet(hold, "cellar", "--for", "24h", "--reason", "film")).toMatch(
    /^cellar takes no update until 2\d{3}-.*: film$/,
  );
  expect(orders.holds()).toMatchObject([{ operator: "owner", hold: { device: cellar.id, number: 1, reason: "film" } }]);
  expect(await hamlet(hold, "cellar", "--end")).toBe("cellar is held no longer");
  expect(orders.holds()).toMatchObject([{ hold: { number: 2, until: 0 } }]);
  expect(JSON.parse(await hamlet(hold, "--all", "--for", "7d", "--reason", "away", "--json"))).toMatchObject({
    ...{ device: "all", reason: "away" },
  });
  expect(orders.holds()).toHaveLength(2);
});

test("a hold ends for a reason that devices accept, or for none", async () => {
  const wrong = hamlet(hold, "cellar", "--end", "--reason", "x".repeat(121));
  await expect(wrong).rejects.toMatchObject({ code: "usage.invalid", message: expect.stringContaining("120") });
  expect(orders.holds()).toEqual([]);
  expect(await hamlet(hold, "cellar", "--end", "--reason", "over")).toBe("cellar is held no longer");
});

test("revoke says what it would ignore: who stays if an operator goes, and a name beside --list", async () => {
  const stays = hamlet(revoke, "owner", "--stays", "none", "--yes");
  await expect(stays).rejects.toMatchObject({ code: "usage.invalid", message: expect.stringContaining("an operator") });
  await expect(hamlet(revoke, "cellar", "--list")).rejects.toMatchObject({ code: "usage.invalid" });
});

test("hold --end names what holds the device still, and a shorter hold the longer one beside it", async () => {
  const forHours = (hours: number, reason: string) => ["--for", `${hours}h`, "--reason", reason];
  await hamlet(hold, "--all", ...forHours(24, "away"));
  expect(await hamlet(hold, "cellar", ...forHours(2, "film"))).toMatch(
    /^cellar takes no update until .*: film\na longer hold stands beside it: every device until \d{4}-.*: away$/,
  );
  expect(await hamlet(hold, "cellar", "--end")).toMatch(
    /^the hold of cellar has ended, but another one stands: every device until \d{4}-.*: away$/,
  );
  await hamlet(hold, "cellar", ...forHours(48, "film"));
  const [allUntil, until] = orders.holds().map((one) => one.hold.until);
  expect(until).toBeGreaterThan(allUntil!);
  expect(JSON.parse(await hamlet(hold, "--all", "--end", "--json"))).toMatchObject({
    ...{ device: "all", until: 0, standing: [{ device: cellar.id, name: "cellar", until, reason: "film" }] },
  });
  expect(await hamlet(hold, "--all", "--end")).toMatch(
    /^the hold of every device has ended, .*: cellar until .*: film$/,
  );
  // It is over: no other stands.
  expect(await hamlet(hold, "cellar", "--end")).toBe("cellar is held no longer");
});

test("hold signs nothing without a device, a time and a reason", async () => {
  const full = ["--for", "24h", "--reason", "film"];
  const cases: [argv: string[], refusal: object][] = [
    [["nobody", ...full], { code: "device.unknown", hint: expect.stringContaining("cellar") }],
    [full, { code: "usage.invalid", exitCode: 2 }],
    [["cellar", "--reason", "film"], { message: "--for is missing" }],
    [["cellar", "--for", "soon", "--reason", "film"], { message: "--for soon is no time such as 24h" }],
    [["cellar", "--for", "24h"], { message: "--reason is missing" }],
    [["cellar", "--for", "24h", "--reason", "x".repeat(121)], { code: "usage.invalid" }],
    [["cellar", "--for", "24h", "--end"], { code: "usage.invalid" }],
    [["cellar", "--all", ...full], { code: "usage.invalid" }],
  ];
  for (const [argv, refusal] of cases) await expect(hamlet(hold, ...argv)).rejects.toMatchObject(refusal);
  expect(orders.holds()).toEqual([]);
});

test("forget: nobody waits for a member that is gone", async () => {
  await expect(hamlet(forget, "cellar")).rejects.toMatchObject({ code: "usage.invalid" });
  expect(await hamlet(forget, "cellar", "--yes")).toBe(
    "nobody waits for cellar any more\ncellar answers: it counts again as soon as it hears of this",
  );
  cellarState = "dead";
  expect(JSON.parse(await hamlet(forget, cellar.id, "--yes", "--json"))).toEqual({
    ...{ device: cellar.id, name: "cellar", isBackAtOnce: false },
  });
  expect(orders.forgets()).toMatchObject([{ forget: { device: cellar.id, number: 2 } }]);
});

test("an operator has a folder of its own, and what it signed stops when the owner revokes it", async () => {
  const alice = join(folder, "alice");
  const secret = join(folder, "secret");
  await writeFile(secret, "battery staple horse\n");
  const add = (...argv: string[]) => hamlet(operatorAdd, ...argv, "--operator-passphrase-file", secret);
  expect(await add("alice", "--to", alice)).toContain("alice is an operator of Elm Street");
  expect((await readdir(alice)).sort()).toEqual(["neighborhood.json", "operator.key"]);
  expect(orders.operators().map(({ name }) => name)).toEqual(["alice"]);
  await expect(add("alice", "--to", join(folder, "other"))).rejects.toMatchObject({
    code: "operator.exists",
    exitCode: 3,
  });
  await expect(add("bob", "--to", alice)).rejects.toMatchObject({ code: "neighborhood.exists" });
  await expect(add("bob")).rejects.toMatchObject({ code: "usage.invalid" });
  await expect(hamlet(operatorAdd, "bob", "--to", join(folder, "bob"), "--yes")).rejects.toMatchObject({
    code: "neighborhood.noPassphrase",
  });
  await expect(add("two\nlines", "--to", join(folder, "bob"))).rejects.toMatchObject({ code: "usage.invalid" });
  expect(await readdir(folder)).not.toContain("bob");

  const asAlice = ["--neighborhood", alice, "--passphrase-file", secret];
  await start(...asAlice);
  expect(orders.rollouts()).toMatchObject([{ state: "running", operators: ["alice"] }]);
  expect(await hamlet(revoke, "alice", "--yes")).toMatch(/^alice is out of Elm Street\n.* of 1\.4\.0 is paused/);
  expect(orders.rollouts()).toMatchObject([{ state: "paused", operators: ["owner"] }]);
  expect(await hamlet(operatorList)).toMatch(/owner .*\n +alice .* revoked/);
  expect(JSON.parse(await hamlet(operatorList, "--json"))).toMatchObject([{ isRevoked: false }, { isRevoked: true }]);
  // Her folder does not know yet: every device does.
  await expect(hamlet(rolloutResume, ...asAlice)).rejects.toMatchObject({ code: "document.refused" });
  await hamlet(rolloutResume);
  expect(standing()).toMatchObject([{ state: "running", number: 3 }]);
});

test("what a revoked operator stopped stays so for who was away, and an abort may be given again", async () => {
  const alice = join(folder, "alice");
  const secret = join(folder, "secret");
  await writeFile(secret, "battery staple horse\n");
  await hamlet(operatorAdd, "alice", "--to", alice, "--operator-passphrase-file", secret);
  const asAlice = ["--neighborhood", alice, "--passphrase-file", secret];
  const summaries = () => orderKind("rollout").summaries();
  const handedOn = () => summaries().map(({ id }) => orderKind("rollout").get(id)!);
  await start();
  await hamlet(rolloutStart, "--release", "1.5.0");
  const before = handedOn();
  await hamlet(rolloutAbort, "1.4.0", "--yes", ...asAlice);
  await hamlet(rolloutPromote, "1.5.0", ...asAlice);
  const said = await hamlet(revoke, "alice", "--yes");
  expect(said).toMatch(/of 1\.4\.0 stays aborted\n.* of 1\.5\.0 is paused; to go on with it: hamlet rollout resume/);

  // It was away meanwhile, and hears of the revocation first.
  const doors = { log: silentLog, warnings: new Warnings(systemClock, silentLog), clock: systemClock };
  const stateFolder = await mkdtemp(join(folder, "away-"));
  const { neighborhood } = cellar;
  const away = await Orders.open({ neighborhood, stateFolder, revocations: () => membership.revocations(), ...doors });
  for (const jws of [...before, ...handedOn()]) await away.take("rollout", jws);
  for (const one of [orders, away]) {
    expect(one.rollouts()).toMatchObject([
      { state: "aborted", operators: ["owner"] },
      { state: "paused", operators: ["owner"], rollout: { promoted: 1 } },
    ]);
  }
  expect(await hamlet(revoke, "alice", "--yes")).toBe("alice is out of Elm Street already");
  expect(await hamlet(rolloutAbort, "1.4.0", "--yes")).toMatch(/is aborted already$/);

  expect(await hamlet(revoke, "owner", "--yes")).toMatch(/of 1\.5\.0 is paused; another operator can resume it$/);
  // Nobody is left to sign anything again, and who comes later hears of both all the same.
  expect(summaries()).toHaveLength(2);
  const late = await mkdtemp(join(folder, "late-"));
  const later = await Orders.open({
    ...{ neighborhood, stateFolder: late },
    revocations: () => membership.revocations(),
    ...doors,
  });
  for (const jws of handedOn()) await later.take("rollout", jws);
  expect(later.rollouts()).toMatchObject([{ state: "aborted" }, { because: "operatorRevoked" }]);
  expect(await hamlet(revoke, "owner", "--yes")).toMatch(/^owner is out of Elm Street already/);
  expect(orders.rollouts()).toMatchObject([{ state: "aborted" }, { because: "operatorRevoked" }]);
});

test("a revoked operator key in the folder itself signs nothing", async () => {
  await hamlet(revoke, "owner", "--yes");
  await expect(start()).rejects.toMatchObject({ code: "operator.revoked", exitCode: 3 });
  await expect(hamlet(hold, "cellar", "--end")).rejects.toMatchObject({ code: "operator.revoked" });
});

test("a key signs nothing for a device of another neighborhood", async () => {
  belongsTo = "o".repeat(26);
  await expect(start()).rejects.toMatchObject({ code: "provision.otherNeighborhood", exitCode: 3 });
  expect(orders.rollouts()).toEqual([]);
});

test("an operator that no device has heard of yet is added all the same", async () => {
  await api.stop();
  const secret = join(folder, "secret");
  await writeFile(secret, "battery staple horse");
  const said = await hamlet(operatorAdd, "alice", "--to", join(folder, "alice"), "--operator-passphrase-file", secret);
  expect(said).toContain("no device has heard of alice yet");
  expect(await hamlet(operatorList)).toContain("alice");
  api = await startApi(socket, (_, response) => void response.end());
});

test.each<[Command, string, number]>([
  [rolloutPause, "paused", 0],
  [rolloutResume, "running", 0],
  [rolloutAbort, "aborted", 0],
  [rolloutPromote, "running", 1],
])("a rollout that came by itself is an operator's once one has changed it: %#", async (command, state, promoted) => {
  const policy = { waves: ["canary" as const, 100], soakSeconds: 600, successPercent: 95, window: "02:00-05:00" };
  const rollout = autoId({ release: "1.4.0", policy: { kind: "auto", ...policy } });
  underWay = {
    ...{ rollout, number: 1, release: "1.4.0", operators: [], state: "running", waves: [...policy.waves], wave: 0 },
    ...{ updated: 0, failed: 0, total: 2, isWindowIgnored: false, members: [], later: [] },
    auto: { ...policy, publisher: "5f".repeat(16), hasZone: false },
  };
  await hamlet(command, ...(command === rolloutAbort ? ["1.4.0", "--yes"] : []));
  const [known, ...more] = orders.rollouts();
  expect(more).toEqual([]);
  expect(known).toMatchObject({ state, operators: ["owner"] });
  expect(known?.rollout).toMatchObject({
    rollout,
    number: 2,
    release: "1.4.0",
    promoted,
    maxUnavailable: 1,
    ...policy,
  });
});
