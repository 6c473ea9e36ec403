// Who this device is: made on first boot from the provision file, kept on the data partition, the same for life.
import { existsSync } from "node:fs";
import { open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { decodeProvisionFile, ProvisionFile, requireBoard } from "../provisioning/file/provision-file.ts";
import { BoardFacts, boardIdentityOf } from "../provisioning/handover/board.ts";
import { DeviceName, Id, Jws, WireguardKey } from "../provisioning/trust/fields.ts";
import {
  exportSigningKey,
  generateSigningKey,
  generateWireguardKeyPair,
  importSigningKey,
  type SigningKey,
  signingKeyFromSeed,
} from "../provisioning/trust/keys.ts";
import { signAdmission, signMemberCertificate, verifyMemberCertificate } from "../provisioning/trust/member.ts";
import { deviceIdOf, meshAddress, meshPrefix } from "../provisioning/trust/names.ts";
import { foundedBy, type NeighborhoodKeys, succeed } from "../provisioning/trust/neighborhood-keys.ts";
import { type MemberRecord, signRecord } from "../provisioning/trust/record.ts";
import { type TokenCertificate, verifyToken } from "../provisioning/trust/token.ts";
import { errnoOf, HamletError } from "../system/error.ts";
import { readJson } from "../system/files.ts";
import { type Damage, keep, markLost, readKept } from "../system/kept.ts";
import type { Own } from "./membership/state.ts";
import { wireguardPublicKey } from "./mesh/key.ts";

/** What the device keeps of the provision file once its keys are made: all but the token's secret. */
const Kept = z.object(ProvisionFile.shape).omit({ tokenKey: true, network: true, sshKeys: true });
const IdentityFile = z.object({
  v: z.literal(1),
  deviceKey: z.string().describe("PKCS8 PEM"),
  wireguardKey: WireguardKey.describe("private"),
  member: Jws,
  provision: Kept,
});
type IdentityFile = z.infer<typeof IdentityFile>;

const Standing = z.object({
  v: z.literal(1),
  number: z.int().min(0),
  name: DeviceName,
  admissions: z.array(Jws).max(4),
  replaces: Id.optional(),
});
type Standing = z.infer<typeof Standing>;

export type Self = {
  board: string;
  release: string;
  bootId: string;
  stateFolder: string;
  /** What it was called last, where somebody else remembers. */
  lastName?: string | undefined;
};

/** The identity on disk, else one made from the provision file at `provisionPath`, else undefined. Throws `provision.*`, `identity.invalid`. */
export async function loadIdentity(self: Self, provisionPath: string, name?: string): Promise<Identity | undefined> {
  const path = join(self.stateFolder, "identity.json");
  let { value: file, damage } = await readKept(path, IdentityFile, isUsable);
  if (!file && damage) {
    // No new one is made in its place by itself: whoever still has the old one's copy can put it back.
    throw new HamletError(
      "identity.invalid",
      `who this device is can not be read any more: ${damage.aside} is damaged`,
      {
        hint: "type on the device: hamlet reset; then provision it again, as a new device",
      },
    );
  }
  if (!file) {
    const provision = await readProvision(provisionPath, self.board);
    if (!provision) return undefined;
    file = await makeIdentity(provision);
    await keep(path, file);
  }
  // Only now that the keys made with it are safe on disk does the token's secret go; also after a power cut between the two.
  await wipe(provisionPath);
  return Identity.open(self, file, name, damage ? [damage] : []);
}

/** An earlier release's file has no sum: what it holds shows whether it is whole. */
async function isUsable({ deviceKey, wireguardKey, member, provision }: IdentityFile): Promise<boolean> {
  try {
    const { rootKey, successorKey, successions = [] } = provision.neighborhood;
    const keys = await succeed(foundedBy(rootKey, successorKey), successions);
    const { certificate } = await verifyToken(provision.token, keys);
    const own = importSigningKey(deviceKey).publicKey;
    wireguardPublicKey(wireguardKey);
    const wanted = { neighborhood: keys.id, token: certificate.id, deviceKey: own };
    await verifyMemberCertificate(member, certificate.key, wanted);
    return true;
  } catch {
    return false;
  }
}

export class Identity {
  readonly id: string;
  readonly deviceKey: string;
  readonly key: SigningKey;
  readonly wireguard: { publicKey: string; privateKey: string };
  readonly neighborhood: NeighborhoodKeys;
  readonly neighborhoodName: string;
  readonly address: string;
  readonly prefix: string;
  readonly token: TokenCertificate;
  readonly provision: z.infer<typeof Kept>;
  /** What of its state was damaged when it was read. */
  readonly damages: readonly Damage[];
  /** What root read from this board; undefined where root's one-shot does not run. */
  readonly board: BoardFacts | undefined;
  readonly #self: Self;
  readonly #file: IdentityFile;
  #own: Own;
  #jws = "";

  private constructor(
    self: Self,
    file: IdentityFile,
    standing: Standing,
    trust: { keys: NeighborhoodKeys; token: TokenCertificate },
    board: BoardFacts | undefined,
    damages: readonly Damage[],
  ) {
    this.damages = damages;
    this.#self = self;
    this.board = board;
    this.#file = file;
    const { number, name, admissions, replaces } = standing;
    this.#own = { number, name, admissions, replaces, endpoints: [], revocation: 0 };
    this.key = importSigningKey(file.deviceKey);
    this.deviceKey = this.key.publicKey;
    this.id = deviceIdOf(this.deviceKey);
    this.wireguard = { privateKey: file.wireguardKey, publicKey: wireguardPublicKey(file.wireguardKey) };
    this.neighborhood = trust.keys;
    this.neighborhoodName = file.provision.neighborhood.name;
    this.token = trust.token;
    this.provision = file.provision;
    this.address = meshAddress(this.neighborhood.id, this.deviceKey);
    this.prefix = meshPrefix(this.neighborhood.id);
  }

  static async open(self: Self, file: IdentityFile, name?: string, damages: Damage[] = []): Promise<Identity> {
    const { rootKey, successorKey, successions = [] } = file.provision.neighborhood;
    const keys = await succeed(foundedBy(rootKey, successorKey), successions);
    const { certificate: token } = await verifyToken(file.provision.token, keys);
    const id = deviceIdOf(importSigningKey(file.deviceKey).publicKey);
    const path = join(self.stateFolder, "standing.json");
    const kept = await readKept(path, Standing);
    // Whoever has known others has had one.
    if (!kept.value && !kept.damage && existsSync(join(self.stateFolder, "roster.json")))
      kept.damage = await markLost(path);
    // A name that it was given later goes before the one that it began with.
    const lastName = kept.damage ? DeviceName.safeParse(self.lastName).data : undefined;
    const wanted = lastName ?? name ?? file.provision.name ?? `${self.board}-${id.slice(0, 6)}`;
    const standing = kept.value ?? { v: 1, number: 0, name: wanted, admissions: [] };
    const all = kept.damage ? [...damages, kept.damage] : damages;
    const board = await readJson(join(self.stateFolder, "board.json"), BoardFacts).catch(() => undefined);
    const identity = new Identity(self, file, standing, { keys, token }, board, all);
    // A new number each start: endpoints and boot id are new, and what others hold is older.
    await identity.sign({ ...identity.own, number: identity.number + 1 });
    return identity;
  }

  /** This device's record, signed. */
  get jws(): string {
    return this.#jws;
  }
  /** What the record says that may change. */
  get own(): Own {
    return this.#own;
  }
  get number(): number {
    return this.#own.number;
  }
  get name(): string {
    return this.#own.name;
  }
  get admissions(): readonly string[] {
    return this.#own.admissions;
  }

  /** Our word that this device is admitted. */
  admit({ id }: Pick<MemberRecord, "id">, token: TokenCertificate): Promise<string> {
    return signAdmission({ neighborhood: this.neighborhood.id, device: id, token: token.id }, this.key);
  }

  /**
   * Signs a record that says this from now on, and keeps it; one call at a time. A full disk must not silence this device, for others
   * correct a number that was lost; only with `mustKeep` it throws `file.full`, and nothing changes.
   */
  async sign(own: Own, { mustKeep = false } = {}): Promise<void> {
    const { board, release, bootId, stateFolder } = this.#self;
    const boardIdentity = this.board && boardIdentityOf(this.board, this.deviceKey);
    const jws = await signRecord(
      {
        v: 1,
        id: this.id,
        neighborhood: this.neighborhood.id,
        name: own.name,
        board,
        release,
        deviceKey: this.deviceKey,
        wireguardKey: this.wireguard.publicKey,
        endpoints: [...own.endpoints],
        ...(boardIdentity && { boardIdentity }),
        ...(own.replaces && { replaces: own.replaces }),
        bootId,
        number: own.number,
        token: this.#file.provision.token,
        member: this.#file.member,
        admissions: [...own.admissions],
        revocation: own.revocation,
      },
      this.key,
    );
    const { number, name, admissions, replaces } = own;
    const standing: Standing = { v: 1, number, name, admissions: [...admissions], ...(replaces && { replaces }) };
    // A new number alone is not worth a copy.
    const isCopied = name !== this.name || admissions !== this.admissions || replaces !== this.#own.replaces;
    await keep(join(stateFolder, "standing.json"), standing, { isCopied }).catch((error: unknown) => {
      if (mustKeep) throw error;
    });
    this.#own = own;
    this.#jws = jws;
  }
}

async function makeIdentity({ tokenKey, network: _, sshKeys: __, ...provision }: ProvisionFile): Promise<IdentityFile> {
  const { rootKey, successorKey, successions = [] } = provision.neighborhood;
  const keys = await succeed(foundedBy(rootKey, successorKey), successions);
  const { certificate } = await verifyToken(provision.token, keys);
  const key = generateSigningKey();
  const member = await signMemberCertificate(
    { neighborhood: keys.id, token: certificate.id, deviceKey: key.publicKey },
    signingKeyFromSeed(tokenKey),
  );
  return {
    v: 1,
    deviceKey: exportSigningKey(key),
    wireguardKey: generateWireguardKeyPair().privateKey,
    member,
    provision,
  };
}

async function readProvision(path: string, board: string): Promise<ProvisionFile | undefined> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
  const file = decodeProvisionFile(bytes);
  requireBoard(file, board);
  return file;
}

async function wipe(path: string): Promise<void> {
  try {
    const file = await open(path, "r+");
    try {
      await file.write(Buffer.alloc((await file.stat()).size));
      await file.sync();
    } finally {
      await file.close();
    }
    await rm(path);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
}
