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
  readonly #self: Self;
  readonly #file: IdentityFile;
  /** What root read from this board; none where there is no root's one-shot, or the board says nothing of its own. */
  readonly #board: BoardFacts | undefined;
  #standing: Standing;
  #endpoints: string[] = [];
  #revocation = 0;
  #jws = "";
  #renewing: Promise<unknown> = Promise.resolve();

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
    this.#board = board;
    this.#file = file;
    this.#standing = standing;
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
    await identity.#renew();
    return identity;
  }

  /** Our record as it stands, signed. */
  get jws(): string {
    return this.#jws;
  }
  get number(): number {
    return this.#standing.number;
  }
  get name(): string {
    return this.#standing.name;
  }
  get admissions(): readonly string[] {
    return this.#standing.admissions;
  }

  /** Where we can be reached, as `address:port`, best first; at most 8 are said. */
  async setEndpoints(endpoints: string[]): Promise<boolean> {
    const said = endpoints.slice(0, 8);
    if (said.join() === this.#endpoints.join()) return false;
    this.#endpoints = said;
    await this.#renew();
    return true;
  }

  /** Keeps a member's word that it let us in. True if it was new. */
  async addAdmission(jws: string): Promise<boolean> {
    if (this.admissions.includes(jws)) return false;
    // The newest four: who vouched first may be long gone.
    await this.#renew(({ admissions }) => ({
      admissions: [...admissions.filter((known) => known !== jws), jws].slice(-4),
    }));
    return true;
  }

  /** `forGood`: throws `file.full`, and the name stays, if it can not be kept. */
  async rename(name: string, { forGood = false } = {}): Promise<void> {
    await this.#renew(() => ({ name }), forGood);
  }

  /** Whether `record` is of this very board under another key: of a card that was in it before. */
  isOwnPast({ id, deviceKey, boardIdentity }: Pick<MemberRecord, "id" | "deviceKey" | "boardIdentity">): boolean {
    if (id === this.id || boardIdentity === undefined || !this.#board) return false;
    return boardIdentityOf(this.#board, deviceKey) === boardIdentity;
  }

  /** Says of which former identity of this board it has taken over the name. True if that is news. */
  async replace(id: string): Promise<boolean> {
    if (this.#standing.replaces === id) return false;
    await this.#renew(() => ({ replaces: id }));
    return true;
  }

  /** Somebody holds a later record of ours than we do: from now on ours is later still. */
  async goAbove(number: number): Promise<void> {
    if (number >= this.number) await this.#renew((standing) => ({ number: Math.max(number, standing.number) }));
  }

  /** How far we have seen the revocations, for others to see who is behind. */
  async setRevocation(number: number): Promise<void> {
    if (number === this.#revocation) return;
    this.#revocation = number;
    await this.#renew();
  }

  /** Our word that this device is let in. */
  admit(record: MemberRecord, token: TokenCertificate): Promise<string> {
    return signAdmission({ neighborhood: this.neighborhood.id, device: record.id, token: token.id }, this.key);
  }

  /** One after another: a name and an admission that come in the same moment must both stand. */
  #renew(change: (standing: Standing) => Partial<Standing> = () => ({}), mustKeep = false): Promise<void> {
    const turn = this.#renewing.then(() => this.#sign(change, mustKeep));
    this.#renewing = turn.catch(() => {});
    return turn;
  }

  async #sign(change: (standing: Standing) => Partial<Standing>, mustKeep: boolean): Promise<void> {
    const changed = change(this.#standing);
    const standing = { ...this.#standing, ...changed };
    standing.number++;
    const { board, release, bootId, stateFolder } = this.#self;
    const { token } = this.#file.provision;
    const boardIdentity = this.#board && boardIdentityOf(this.#board, this.deviceKey);
    const jws = await signRecord(
      {
        v: 1,
        id: this.id,
        neighborhood: this.neighborhood.id,
        name: standing.name,
        board,
        release,
        deviceKey: this.deviceKey,
        wireguardKey: this.wireguard.publicKey,
        endpoints: this.#endpoints,
        ...(boardIdentity && { boardIdentity }),
        ...(standing.replaces && { replaces: standing.replaces }),
        bootId,
        number: standing.number,
        token,
        member: this.#file.member,
        admissions: standing.admissions,
        revocation: this.#revocation,
      },
      this.key,
    );
    // The number alone is not worth a copy. A full disk must not silence us: others correct a number that was lost (goAbove).
    const isCopied = Object.keys(changed).some((key) => key !== "number");
    await keep(join(stateFolder, "standing.json"), standing, { isCopied }).catch((error: unknown) => {
      if (mustKeep) throw error;
    });
    this.#standing = standing;
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
