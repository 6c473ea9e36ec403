// Who this device is: an identity made on first boot from the provision file, kept on the data partition, the same for life.
import { existsSync } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Provision } from "../provisioning/file/provision.ts";
import { agentFilesIn } from "../provisioning/handover/agent-files.ts";
import { type BoardFacts, boardIdentityOf, readBoardFacts } from "../provisioning/handover/board.ts";
import {
  type IdentityFile,
  keepIdentity,
  type Provisioned,
  readIdentity,
  type VerifiedIdentity,
} from "../provisioning/handover/identity.ts";
import { readProvision } from "../provisioning/handover/provision.ts";
import { keepStanding, readStanding, type Standing } from "../provisioning/handover/standing.ts";
import { wipe } from "../provisioning/handover/wipe.ts";
import { signAdmission } from "../provisioning/trust/admission.ts";
import { DeviceName } from "../provisioning/trust/fields.ts";
import {
  exportSigningKey,
  generateSigningKey,
  type SigningKey,
  signingKeyFromSeed,
} from "../provisioning/trust/keys.ts";
import { signMemberCertificate } from "../provisioning/trust/member-certificate.ts";
import { deviceIdOf, meshAddress, meshPrefix } from "../provisioning/trust/names.ts";
import type { NeighborhoodKeys } from "../provisioning/trust/neighborhood-keys.ts";
import { type MemberRecord, signRecord } from "../provisioning/trust/record.ts";
import type { TokenCertificate } from "../provisioning/trust/token.ts";
import { wireguardKeyOf, wireguardPrivateKeyOf } from "../provisioning/trust/wireguard-key.ts";
import { describeError, errnoOf, HamletError } from "../system/error.ts";
import { type Damage, markLost } from "../system/kept.ts";
import { type Log, silentLog } from "../system/log.ts";
import type { Own } from "./membership/state.ts";

export type Self = {
  board: string;
  release: string;
  bootId: string;
  stateFolder: string;
  /** Its last name, if the system remembers that. */
  lastName?: string | undefined;
};

/** The identity on disk, else one made from the provision file at `provisionPath`, else undefined. Throws `provision.*` or `identity.invalid`. */
export async function loadIdentity(
  self: Self,
  provisionPath: string,
  name?: string,
  log: Pick<Log, "warn"> = silentLog,
): Promise<Identity | undefined> {
  const path = agentFilesIn(self.stateFolder).identity;
  let { identity, damage } = await readIdentity(path);
  if (!identity && damage) {
    // Never make a new one in its place unasked: the owner may still have a copy to put back.
    throw new HamletError("identity.invalid", `cannot read this device's identity: ${damage.aside} is damaged`, {
      hint: "on the device, type: hamlet reset; then provision it again, as a new device",
    });
  }
  if (!identity) {
    const provision = await readProvision(provisionPath, self.board);
    if (!provision) return undefined;
    identity = await makeIdentity(provision, await readBoardFacts(agentFilesIn(self.stateFolder).boardFacts));
    await keepIdentity(path, identity.file);
  }
  // Wipe the token's secret only once the keys are safe on disk; after a power cut between the two, at the next start.
  // A secret that stays is less harm than a member without its identity.
  await wipeProvision(provisionPath).catch((error: unknown) => {
    log.warn(`could not wipe ${provisionPath}: ${describeError(error)}; trying again at the next start`);
  });
  return Identity.open(self, identity, name, damage ? [damage] : []);
}

/**
 * Folder or file may be a link: its owner chose the path, and the secret is where the link leads. `wipe` itself follows none, because
 * root uses it in folders that others own.
 */
async function wipeProvision(path: string): Promise<void> {
  const ifThere = <T>(found: Promise<T>) =>
    found.catch((error: unknown) => {
      if (errnoOf(error) !== "ENOENT") throw error;
    });
  const target = await ifThere(realpath(path));
  if (target !== undefined && (await stat(target)).isFile()) await wipe(target);
  // The link itself, which now leads nowhere.
  const folder = await ifThere(realpath(dirname(path)));
  if (folder !== undefined) await wipe(join(folder, basename(path)));
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
  readonly provision: Provisioned;
  /** State files that were damaged when this device started. */
  readonly damages: readonly Damage[];
  /** What root read from this board; undefined where root's one-shot does not run. */
  readonly board: BoardFacts | undefined;
  readonly boardIdentity: string | undefined;
  /** The board on which this identity was made, if that is known. */
  readonly madeOn: string | undefined;
  readonly #self: Self;
  readonly #file: IdentityFile;
  #own: Own;
  #jws = "";

  private constructor(
    self: Self,
    { file, key, keys, token }: VerifiedIdentity,
    standing: Standing,
    board: BoardFacts | undefined,
    damages: readonly Damage[],
  ) {
    this.damages = damages;
    this.#self = self;
    this.board = board;
    this.#file = file;
    const { number, name, admissions, replaces } = standing;
    this.#own = { number, name, admissions, replaces, endpoints: [] };
    this.key = key;
    this.deviceKey = this.key.publicKey;
    this.id = deviceIdOf(this.deviceKey);
    this.wireguard = { privateKey: wireguardPrivateKeyOf(key), publicKey: wireguardKeyOf(key.publicKey)! };
    this.neighborhood = keys;
    this.neighborhoodName = file.provision.neighborhood.name;
    this.token = token;
    this.provision = file.provision;
    this.boardIdentity = board && boardIdentityOf(board, this.deviceKey);
    this.madeOn = file.madeOn;
    this.address = meshAddress(this.neighborhood.id, this.deviceKey);
    this.prefix = meshPrefix(this.neighborhood.id);
  }

  static async open(self: Self, verified: VerifiedIdentity, name?: string, damages: Damage[] = []): Promise<Identity> {
    const { file, key } = verified;
    const id = deviceIdOf(key.publicKey);
    const files = agentFilesIn(self.stateFolder);
    const kept = await readStanding(files.standing);
    // A device that has known others has had one.
    if (!kept.value && !kept.damage && existsSync(files.roster)) kept.damage = await markLost(files.standing);
    // A name given later goes before the one that it began with.
    const lastName = kept.damage ? DeviceName.safeParse(self.lastName).data : undefined;
    const wanted = lastName ?? name ?? file.provision.name ?? `${self.board}-${id.slice(0, 6)}`;
    const standing = kept.value ?? { v: 1, number: 0, name: wanted, admissions: [] };
    const all = kept.damage ? [...damages, kept.damage] : damages;
    const board = await readBoardFacts(files.boardFacts);
    const identity = new Identity(self, verified, standing, board, all);
    // A new number at each start: endpoints and boot id are new, and the record that others hold is older.
    await identity.sign({ ...identity.own, number: identity.number + 1 });
    return identity;
  }

  /** This device's record, signed. */
  get jws(): string {
    return this.#jws;
  }
  /** The part of the record that changes. */
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

  get bootId(): string {
    return this.#self.bootId;
  }

  /** Our word that this device is admitted. */
  admit({ id }: Pick<MemberRecord, "id">, token: TokenCertificate): string {
    return signAdmission({ neighborhood: this.neighborhood.id, device: id, token: token.id }, this.key);
  }

  /**
   * Signs a record that says this, and keeps what it says; one call at a time. A full disk must not silence this device, and others
   * correct a lost number: only with `mustKeep` this throws `file.full`, and nothing changes.
   */
  async sign(own: Own, { mustKeep = false } = {}): Promise<void> {
    const { board, release, bootId, stateFolder } = this.#self;
    const { boardIdentity } = this;
    const jws = await signRecord(
      {
        v: 1,
        id: this.id,
        neighborhood: this.neighborhood.id,
        name: own.name,
        board,
        release,
        deviceKey: this.deviceKey,
        endpoints: [...own.endpoints],
        ...(boardIdentity && { boardIdentity }),
        ...(own.replaces && { replaces: own.replaces }),
        bootId,
        number: own.number,
        token: this.#file.provision.token,
        member: this.#file.member,
        ...(this.#file.origin && { origin: this.#file.origin }),
        admissions: [...own.admissions],
        ...(own.adoption && { adoption: own.adoption }),
      },
      this.key,
    );
    const { number, name, admissions, replaces } = own;
    const standing: Standing = { v: 1, number, name, admissions: [...admissions], ...(replaces && { replaces }) };
    // A new number alone is not worth a copy.
    const isCopied = name !== this.name || admissions !== this.admissions || replaces !== this.#own.replaces;
    await keepStanding(agentFilesIn(stateFolder).standing, standing, { isCopied }).catch((error: unknown) => {
      if (mustKeep) throw error;
    });
    this.#own = own;
    this.#jws = jws;
  }
}

async function makeIdentity(
  { file, keys, token }: Provision,
  board: BoardFacts | undefined,
): Promise<VerifiedIdentity> {
  const { tokenKey, network: _, sshKeys: __, ...provision } = file;
  const key = generateSigningKey();
  const member = await signMemberCertificate(
    { neighborhood: keys.id, token: token.id, deviceKey: key.publicKey },
    signingKeyFromSeed(tokenKey),
  );
  const madeOn = board && boardIdentityOf(board, key.publicKey);
  const made = { v: 1 as const, deviceKey: exportSigningKey(key), member, ...(madeOn && { madeOn }), provision };
  return { file: made, key, keys, token };
}
