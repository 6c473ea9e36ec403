// A device with a real identity and a real door on loopback, and its owner's folder: what a computer on the link meets.
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Answerers, makeAnswer } from "../agent/api/answers.ts";
import { makeAnswering, makeSealedOrders } from "../agent/discovery/answering.ts";
import { startDoorstep } from "../agent/discovery/doorstep.ts";
import { makePageHandler } from "../dashboard/api/handler.ts";
import { encodeProvisionFile } from "../provisioning/file/provision-file.ts";
import { issueToken } from "../provisioning/neighborhood/issue-token.ts";
import {
  initNeighborhood,
  type OpenNeighborhood,
  openNeighborhood,
} from "../provisioning/neighborhood/neighborhood.ts";
import { openOperator } from "../provisioning/neighborhood/operators.ts";
import type { Operator } from "../provisioning/trust/order.ts";
import { noRevocations, type Revocations } from "../provisioning/trust/revocation.ts";
import { type Clock, systemClock } from "../system/clock.ts";
import { silentLog } from "../system/log.ts";
import { makeStatusSource } from "./dashboard/api/status-source.ts";
import { bootDevice } from "./neighborhood.ts";

export const passphrase = "correct horse battery";

export type OwnersFolder = OpenNeighborhood & { operator: Operator; remove(): Promise<void> };

/** The slow part, once for all tests of a file: a neighborhood's folder. */
export async function makeOwnersFolder(): Promise<OwnersFolder> {
  const above = await mkdtemp(join(tmpdir(), "hamlet-linked-"));
  const folder = join(above, "elm");
  await initNeighborhood(folder, { name: "Elm Street", passphrase, now: Date.now() - 3_600_000 });
  const owner = await openNeighborhood(folder, passphrase);
  return { ...owner, operator: await openOperator(owner, passphrase), remove: () => rm(above, { recursive: true }) };
}

export type LinkedDevice = Awaited<ReturnType<typeof startLinkedDevice>>;

/** `clock`: by which its limits refill and its nonces end. */
export async function startLinkedDevice(
  owner: OwnersFolder,
  answerers: Partial<Answerers> = {},
  clock: Clock = systemClock,
) {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-linked-"));
  const terms = { validMs: 3_600_000, maxDevices: 9, tags: [], now: Date.now() - 1_800_000, adopt: "auto" as const };
  const token = (await issueToken(owner, terms)).file;
  const identity = await bootDevice(join(folder, "attic"), encodeProvisionFile({ ...token, name: "attic" }));
  const source = makeStatusSource();
  Object.assign(source.state.self, { id: identity.id, deviceKey: identity.deviceKey });
  source.state.neighborhood = { id: identity.neighborhood.id, name: "Elm Street" };
  const publicStatus = () => ({ ...source.publicStatus(), deviceKey: identity.deviceKey });
  const orders: string[] = [];
  let revocations: Revocations = noRevocations;
  let waitedMs = 0;
  const skewed: Clock = { now: clock.now, monotonic: () => clock.monotonic() + waitedMs };
  const onOrders = async (documents: readonly string[]) => {
    orders.push(...documents);
    return documents.map(() => ({ kind: "adoption", outcome: "new" as const, counts: true }));
  };
  const answer = makeAnswer({ status: source.status, ...answerers } as Answerers);
  const page = makePageHandler({ ...source, publicStatus }, "public", { html: "<!doctype html>" });
  const port = await freePort();
  const doorstep = await startDoorstep({
    ports: [port],
    hear: () => Promise.reject(new Error("nobody says hello here")),
    onOrders,
    onSealedOrders: makeSealedOrders(identity, onOrders),
    onQuestion: makeAnswering({ identity, answer, revocations: () => revocations, clock: skewed }),
    clock: skewed,
    page,
    log: silentLog,
    warnings: { raise() {}, clear() {} },
  });
  return {
    ...{ address: `127.0.0.1:${port}`, port, owner, identity, source, orders },
    revoke(known: Revocations) {
      revocations = known;
    },
    wait(ms: number) {
      waitedMs += ms;
    },
    async [Symbol.asyncDispose]() {
      page.close();
      await doorstep.stop();
      await rm(folder, { recursive: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "::", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
