// `revoke <device|token|operator>`: puts somebody out for good, by a document that the root signs and every member keeps.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { revoke as signRevocation } from "../../../provisioning/neighborhood/orders.ts";
import { DeviceName } from "../../../provisioning/trust/fields.ts";
import type { Operator } from "../../../provisioning/trust/order.ts";
import {
  mostStopped,
  type Revocation,
  type Revocations,
  revokedDevices,
} from "../../../provisioning/trust/revocation.ts";
import { signRollout } from "../../../provisioning/trust/rollout.ts";
import { type TokenCertificate, verifyToken } from "../../../provisioning/trust/token.ts";
import { systemClock } from "../../../system/clock.ts";
import { HamletError } from "../../../system/error.ts";
import { again } from "../../terminal/again.ts";
import { type Command, required, text, usageError, type Values } from "../../terminal/command.ts";
import { confirm } from "../../terminal/confirm.ts";
import { deviceOption, findDevice } from "../../terminal/device.ts";
import { filledTable } from "../../terminal/table.ts";
import { nextOf, type Stopped, stoppedWith } from "../rollout/again.ts";
import { shortId } from "../rollout/named.ts";
import { hand, hasTheSay, refuseItself } from "./hand.ts";
import { type Owned, ownedNeighborhood, ownerOptions, refuseOtherNeighborhood } from "./owner.ts";
import { findRevoked, type Members, type Revoked, readStays } from "./revoked.ts";

/** A device takes 64 documents of 64 KiB in all at once; the rest reaches it by its neighbors. */
const most = { documents: 60, chars: 48 << 10 };

export const revoke: Command = {
  usage: "revoke <device|token|operator> [--stays all|none|<names>] [--neighborhood <folder>] | --list",
  summary: "put a device, a token or an operator out of the neighborhood, for good",
  example: "hamlet revoke cellar --neighborhood elm-street --stays all",
  details: `
Members drop a revoked device within seconds of hearing it, and never take its key back. Its token lets nobody in any more, so
that a thief who has the token gains nothing: of the other devices that joined with it only those stay that you name.
Only a member knows the others: --device names one, in the lab, in the mesh or on this computer's link.
The folder keeps the revocation, and every later token and card carries it.`,
  options: {
    ...deviceOption,
    stays: {
      type: "string",
      argument: "all|none|names",
      describe:
        "which other devices with the same token stay: all, none, or names with commas (needed if there are any)",
    },
    list: {
      type: "boolean",
      aloneBut: ["json", "device", ...Object.keys(ownerOptions)],
      describe: "list tokens and operators, and what is revoked",
    },
    json: { type: "boolean", describe: "print the result as JSON" },
    ...ownerOptions,
  },
  async run(input, { print, note, progress }) {
    const { values } = input;
    const owned = await ownedNeighborhood(values);
    if (values["list"] === true) {
      for (const line of await describeOwned(owned, values["json"] === true)) print(line);
      return 0;
    }
    const wanted = required(revoke, input, 0, "a device, token or operator");
    const device = await findDevice(values, owned);
    try {
      // A device on the link asks for the passphrase first.
      if (!device.owner) progress.stage("asking who is a member");
      const status = await device.status();
      progress.end();
      refuseOtherNeighborhood(owned, status, device.found);
      const { members, orders = { rollouts: [], digests: [] }, rollout } = status;
      const { operators } = owned.file;
      const revoked = revokedDevices(owned.revocations);
      const found = findRevoked(wanted, { members, tokens: await tokensOf(owned), operators, revoked });
      if (found.kind === "operator" && values["stays"] !== undefined)
        throw usageError(revoke, `--stays is about devices, but ${found.name} is an operator`);
      const stays = found.kind === "operator" ? [] : await whoStays(found, members, values);
      const [asked, others] = [members.filter(({ isSelf }) => isSelf), members.filter(({ isSelf }) => !isSelf)];
      const isOut = asked.some((one) => isPutOut(one, found, stays));
      if (isOut && !others.every((one) => isPutOut(one, found, stays))) refuseItself(device.found);
      await agree(found, stays, members, values);
      const isBySame = ({ operator }: { operator: string }) => found.kind === "operator" && operator === found.key;
      const digests = orders.digests
        .filter(isBySame)
        .map(({ digest }) => digest)
        .slice(0, mostStopped);
      const isSigned = isRevoked(owned.revocations, found, stays, digests);
      const { file } = isSigned
        ? owned
        : await signRevocation(await owned.open(), documentOf(found, stays, digests), systemClock.now());
      // With those before it, which the device may lack.
      const hint = "see with hamlet revoke --list what is revoked, and repeat the command";
      const handed = await hand(device, newest(file.revocations), { hint }).catch((error: unknown) => {
        note(
          `${owned.folder} keeps the revocation, but perhaps no member has it yet: repeat the command to hand it out`,
        );
        throw error;
      });
      const now = systemClock.now();
      const key = found.kind === "operator" ? found.key : undefined;
      const stopped = key === undefined ? [] : stoppedWith(key, orders, rollout, now);
      const by = stopped.length > 0 ? await otherOperator(owned, key) : undefined;
      const overtaken = new Set<Stopped>();
      if (by) {
        const next = stopped.map(({ rollout, change }) => nextOf(rollout, by, change, now));
        const taken = await device.order(await Promise.all(next.map((one) => signRollout(one, by.key))));
        for (const [at, one] of stopped.entries()) if (!hasTheSay(taken[at]!)) overtaken.add(one);
      }
      const already = isSigned && handed === "already" ? " already" : "";
      if (values["json"]) print(JSON.stringify({ kind: found.kind, name: found.name, stays }));
      else print(`${found.name} is out of ${owned.file.name}${already}`);
      for (const one of stopped)
        note(again(overtaken.has(one) ? describeOvertaken(one) : describeStopped(one, by !== undefined), values));
      if (isOut)
        note("no member that stays has heard of it: if there is one, repeat the command with --device <member>");
      if (found.kind === "device") note("a card with its token can join no more; make new tokens for new devices");
      return 0;
    } finally {
      device.close();
    }
  },
};

/** Signed before in these words, by a command that may have reached no device. */
function isRevoked(
  { devices, closures, operators, stopped }: Revocations,
  found: Revoked,
  stays: string[],
  digests: string[],
): boolean {
  const isClosed = (token: string, because: "tokenClosed" | "tokenRevoked") =>
    closures.get(token)?.some((one) => one.because === because && isSame(one.stays, stays)) ?? false;
  switch (found.kind) {
    case "device":
      return devices.has(found.id) && isClosed(found.token, "tokenClosed");
    case "token":
      return isClosed(found.id, "tokenRevoked");
    case "operator":
      return operators.has(found.key) && digests.every((digest) => stopped.has(digest));
  }
}

const isSame = (one: ReadonlySet<string>, other: readonly string[]): boolean =>
  one.size === other.length && other.every((id) => one.has(id));

/** As many of the last as one order holds. */
function newest(documents: readonly string[]): string[] {
  const fit: string[] = [];
  let chars = 0;
  for (const jws of documents.toReversed()) {
    chars += jws.length;
    if (chars > most.chars || fit.length === most.documents) break;
    fit.unshift(jws);
  }
  return fit;
}

function documentOf(found: Revoked, stays: string[], digests: string[]): Revocation["revoke"] {
  switch (found.kind) {
    case "device": {
      const name = DeviceName.safeParse(found.name).data;
      return { kind: "device", device: found.id, ...(name !== undefined && { name }), token: found.token, stays };
    }
    case "token":
      return { kind: "token", token: found.id, stays };
    case "operator":
      return { kind: "operator", key: found.key, ...(digests.length > 0 && { stopped: digests }) };
  }
}

/** The operator key of this folder, unless it is the revoked one or there is none. */
async function otherOperator(owned: Owned, revoked: string | undefined): Promise<Operator | undefined> {
  try {
    const operator = await owned.operator();
    return operator.key.publicKey === revoked ? undefined : operator;
  } catch (error) {
    const isNone = error instanceof HamletError && ["operator.revoked", "neighborhood.notFound"].includes(error.code);
    if (isNone) return undefined;
    throw error;
  }
}

function describeStopped({ rollout, change }: Stopped, isSigned: boolean): string {
  const [named, isAborted] = [`rollout ${shortId(rollout)} of ${rollout.release}`, change.state === "aborted"];
  if (isAborted) return `${named} stays aborted`;
  const next = isSigned ? "to go on with it: hamlet rollout resume" : "another operator can resume it";
  return `${named} is paused; ${next}`;
}

const describeOvertaken = ({ rollout }: Stopped): string =>
  `somebody else has ordered about rollout ${shortId(rollout)} of ${rollout.release} meanwhile: see hamlet rollout status`;

/** Ids of the devices with the same token that stay. */
async function whoStays(found: Revoked & { token: string }, members: Members, values: Values): Promise<string[]> {
  const others = members.filter(
    ({ tokenId, id }) => tokenId === found.token && !(found.kind === "device" && id === found.id),
  );
  const given = text(values, "stays");
  // Not all whom the asked device knows: it may know fewer.
  if (found.kind === "device" && found.stayed && (given ?? "all") === "all") return [...found.stayed];
  if (given !== undefined || others.length === 0) return readStays(given ?? "all", others);
  throw new HamletError(
    "revocation.stays",
    `${others.length} other devices joined with the same token: ${others.map((one) => describeOther(one, found)).join(", ")}`,
    { hint: "say who stays: --stays all, --stays none, or --stays with their names", exitCode: 2 },
  );
}

const describeOther = ({ name, admittedBy = [] }: Members[number], found: Revoked): string =>
  found.kind === "device" && admittedBy.includes(found.id) ? `${name} (let in by ${found.name})` : name;

const isPutOut = ({ id, tokenId }: Members[number], found: Revoked, stays: string[]): boolean =>
  found.kind !== "operator" && (id === found.id || (tokenId === found.token && !stays.includes(id)));

async function agree(found: Revoked, stays: string[], members: Members, values: Values): Promise<void> {
  if (values["yes"] === true) return;
  const gone = members.filter(
    (one) => isPutOut(one, found, stays) && !(found.kind === "device" && one.id === found.id),
  );
  const also =
    gone.length === 0 ? "" : ` So are ${gone.map(({ name }) => name).join(", ")}, which joined with the same token.`;
  await confirm(revoke, {
    lost: `${found.name} will be out for good.${also}`,
    question: `Type '${found.name}' to go on`,
    answer: found.name,
    otherwise: "nothing was signed",
  });
}

/** The tokens that this folder has issued. */
async function tokensOf({ folder, keys }: Owned): Promise<TokenCertificate[]> {
  const names = await readdir(join(folder, "tokens")).catch(() => []);
  const all = await Promise.all(
    names.filter((name) => name.endsWith(".jws")).map((name) => readFile(join(folder, "tokens", name), "utf8")),
  );
  return Promise.all(all.map(async (jws) => (await verifyToken(jws.trim(), keys)).certificate));
}

async function describeOwned(owned: Owned, isJson: boolean): Promise<string[]> {
  const { file, revocations } = owned;
  const tokens = (await tokensOf(owned)).map(({ id, notAfter, maxDevices }) => ({
    ...{ id, expires: new Date(notAfter).toISOString(), maxDevices },
    state: stateOf(revocations, id),
  }));
  const operators = file.operators.map(({ name, key }) => ({ name, key, isRevoked: revocations.operators.has(key) }));
  const devices = [...revocations.devices];
  const names = new Map(revokedDevices(revocations).map(({ device, name }) => [device, name]));
  const named = devices.map((id) => (names.get(id) === undefined ? id : `${names.get(id)} (${id})`));
  if (isJson) return [JSON.stringify({ tokens, operators, revokedDevices: devices })];
  return [
    ...filledTable(
      ["token", "expires", "devices", "state"],
      tokens.map(({ id, expires, maxDevices, state }) => [id, expires, String(maxDevices), state]),
    ),
    "",
    ...filledTable(
      ["operator", "key", "state"],
      operators.map(({ name, key, isRevoked }) => [name, key, isRevoked ? "revoked" : ""]),
    ),
    "",
    devices.length === 0 ? "no device is revoked" : `revoked devices: ${named.join(", ")}`,
  ];
}

const stateOf = ({ closures }: Revocations, token: string): string => {
  const all = closures.get(token) ?? [];
  if (all.length === 0) return "";
  return all.some(({ because }) => because === "tokenRevoked") ? "revoked" : "closed";
};
