// A neighborhood with an attacker in it: devices with a state folder each, one clock that a test moves, and members that kept the secret
// of their token file and sign whatever they like.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Warnings } from "../../../agent/health/warnings.ts";
import type { Identity } from "../../../agent/identity.ts";
import { Membership, type Outcome } from "../../../agent/membership/membership.ts";
import { encodeProvisionFile } from "../../../provisioning/file/provision-file.ts";
import type { TokenFile } from "../../../provisioning/neighborhood/issue-token.ts";
import { readUnverified, sign } from "../../../provisioning/trust/jws.ts";
import { generateSigningKey, type SigningKey, signingKeyFromSeed } from "../../../provisioning/trust/keys.ts";
import { type Revocation, signRevocation } from "../../../provisioning/trust/revocation.ts";
import { TokenCertificate } from "../../../provisioning/trust/token.ts";
import { silentLog } from "../../../system/log.ts";
import { bootDevice } from "../../neighborhood.ts";
import { type Device, makeDevice, makeStreet, makeTokenFile, type Street } from "../../street.ts";

export type World = Awaited<ReturnType<typeof makeWorld>>;
export type Evil = Device & { say(change?: object): Promise<string> };

export async function makeWorld(terms: Partial<TokenCertificate> = {}) {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-world-"));
  const street: Street = makeStreet();
  const shared = await makeTokenFile(street, terms);
  const world = {
    street,
    shared,
    now: Date.now(),
    stateOf: (name: string) => join(folder, name, "state"),
    device: (name: string, file: TokenFile = shared): Promise<Identity> =>
      bootDevice(world.stateOf(name), encodeProvisionFile({ ...file, name })),
    /** What the device with this identity knows. `skewMs`: how far its clock is off. */
    async know(identity: Identity, folderName = identity.name, skewMs: () => number = () => 0) {
      const clock = { now: () => world.now + skewMs(), monotonic: () => world.now };
      const warnings = new Warnings(clock, silentLog);
      const stateFolder = world.stateOf(folderName);
      const membership = await Membership.open({ identity, stateFolder, clock, log: silentLog, warnings });
      return { membership, codes: () => warnings.list().map(({ code }) => code), warnings };
    },
    /** A device whose owner signs what she likes: `say` signs her record with any change. */
    async evil(name: string, file: TokenFile = shared, key: SigningKey = generateSigningKey()): Promise<Evil> {
      const certificate = readUnverified("hamlet-token", file.token, TokenCertificate);
      const token = { certificate, jws: file.token, key: signingKeyFromSeed(file.tokenKey) };
      const made = await makeDevice(street, token, name, key);
      return { ...made, say: (change = {}) => sign("hamlet-record", { ...made.record, ...change }, key) };
    },
    revocation: (number: number, revoke: Revocation["revoke"], root = street.root) =>
      signRevocation({ v: 1, neighborhood: street.keys.id, number, issuedAt: world.now, revoke }, root),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
  return world;
}

/** `member`, `pending` or `refused`, with the reason. */
export const verdict = (outcome: Outcome): string =>
  "because" in outcome ? `${outcome.kind} ${outcome.because}` : outcome.kind;

/** The names by which a device knows the members, by id. */
export const namesIn = (membership: Membership): Record<string, string> =>
  Object.fromEntries([...membership.members()].map(([id, { name }]) => [id, name]));
