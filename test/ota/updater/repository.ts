// An update repository in memory, signed as a publisher signs it, with releases made of random bytes.
import { createCipheriv, generateKeyPairSync, hash, type KeyObject, sign } from "node:crypto";
import { canonicalize } from "@tufjs/canonical-json";
import { Key, Metadata, MetaFile, Root, Signature, Snapshot, TargetFile, Targets, Timestamp } from "@tufjs/models";
import type { Slot, Verity } from "../../../image/boot/boot-control.ts";
import { Manifest, type Part } from "../../../ota/format/manifest.ts";
import { packPath } from "../../../ota/format/names.ts";
import { encodeRecipe, type Step } from "../../../ota/format/recipe.ts";
import { makeTree } from "../../../ota/format/verity.ts";
import type { RolloutPolicy } from "../../../provisioning/trust/rollout-policy.ts";
import { makeKernel } from "../../image/boot/systemd-boot/bench.ts";
import { patchFrame } from "../patch-frame.ts";

export const sha256 = (bytes: Buffer): string => hash("sha256", bytes, "hex");

export type Signer = { id: string; key: Key; pem: string; privateKey: KeyObject };
export function makeSigner(): Signer {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const value = Buffer.from(publicKey.export({ format: "jwk" }).x!, "base64url").toString("hex");
  const id = sha256(Buffer.from(value));
  return {
    id,
    privateKey,
    pem: publicKey.export({ format: "pem", type: "spki" }).toString(),
    key: new Key({ keyID: id, keyType: "ed25519", scheme: "ed25519", keyVal: { public: value } }),
  };
}

export type Release = {
  version: string;
  root: Buffer;
  /** With zeros in its place. */
  kernel: Buffer;
  rootHash: string;
  manifest: Manifest;
  manifestBytes: Buffer;
};

export const board = "nuc";
const chunkBytes = 8 << 10;

/** Bytes that look random and follow from `seed`. */
export function noise(seed: string, length: number): Buffer {
  const key = hash("sha256", seed, "buffer");
  return createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(length));
}

function edited(bytes: Buffer, places: number[]): Buffer {
  const other = Buffer.from(bytes);
  for (const place of places) other.writeUInt8(other.readUInt8(place) ^ 0xff, place);
  return other;
}

const slotWord = "hamlet.slot=";
/** As a device has it in a slot. */
export const kernelFor = ({ version, manifest }: Release, slot: Slot): Buffer =>
  paddedKernel(version, slot, manifest.verity);
function paddedKernel(version: string, slot: Slot, verity: Verity): Buffer {
  const kernel = makeKernel(slot, version, verity);
  return Buffer.concat([kernel, noise(`kernel ${version.split(".")[0]}`, 40 << 10)]);
}

export type ReleaseOptions = {
  installFrom?: string;
  board?: string;
  builtS?: number;
  rollout?: RolloutPolicy;
  rootBytes?: number;
  from?: Release;
  copies?: boolean;
  /** The root is the one of `from` with other bytes at these places, and comes as a pack. */
  edits?: number[];
};

export type Repository = ReturnType<typeof makeRepository>;

export function makeRepository() {
  const signers = {
    root: [makeSigner(), makeSigner(), makeSigner()],
    targets: [makeSigner()],
    snapshot: [makeSigner()],
    timestamp: [makeSigner()],
    board: [makeSigner()],
  };
  /** Files by path below the repository's URL. */
  const files = new Map<string, Buffer>();
  /** Contents by digest. */
  const objects = new Map<string, Buffer>();
  const versions = { root: 0, targets: 0, snapshot: 0, timestamp: 0, board: 0 };
  const targetsOfBoard = new Map<string, TargetFile>();
  let expires = "2099-01-01T00:00:00Z";

  const put = (content: Buffer): string => {
    const name = sha256(content);
    objects.set(name, content);
    return name;
  };

  function signedBy(metadata: Metadata<Root | Targets | Snapshot | Timestamp>, by: Signer[]): Buffer {
    for (const { id, privateKey } of by) {
      metadata.sign((bytes) => new Signature({ keyID: id, sig: sign(null, bytes, privateKey).toString("hex") }));
    }
    return Buffer.from(JSON.stringify(metadata.toJSON()));
  }
  const common = (version: number) => ({ version, specVersion: "1.0.31", expires });

  function writeRoot(alsoSignedBy: Signer[] = []): Buffer {
    versions.root += 1;
    const root = new Root({ ...common(versions.root), keys: {}, consistentSnapshot: true });
    for (const role of ["root", "targets", "snapshot", "timestamp"] as const) {
      for (const { key } of signers[role]) root.addKey(key, role);
    }
    root.roles["root"] = Object.assign(root.roles["root"]!, { threshold: 2 });
    const bytes = signedBy(new Metadata(root), [...new Set([...signers.root.slice(0, 2), ...alsoSignedBy])]);
    files.set(`metadata/${versions.root}.root.json`, bytes);
    return bytes;
  }

  function writeTargets(): void {
    versions.targets += 1;
    const keys = Object.fromEntries(signers.board.map(({ id, key }) => [id, key.toJSON()]));
    const role = {
      ...{ name: board, keyids: signers.board.map(({ id }) => id), threshold: 1, terminating: true },
      paths: [`${board}/*`],
    };
    const { version, specVersion } = common(versions.targets);
    const json = { _type: "targets", version, spec_version: specVersion, expires, targets: {} };
    const targets = Targets.fromJSON({ ...json, delegations: { keys, roles: [role] } });
    files.set(`metadata/${versions.targets}.targets.json`, signedBy(new Metadata(targets), signers.targets));
  }

  function writeBoard(): void {
    versions.board += 1;
    const targets = new Targets({ ...common(versions.board), targets: Object.fromEntries(targetsOfBoard) });
    files.set(`metadata/${versions.board}.${board}.json`, signedBy(new Metadata(targets), signers.board));
  }

  function writeSnapshot(): void {
    versions.snapshot += 1;
    const meta = {
      "targets.json": new MetaFile({ version: versions.targets }),
      [`${board}.json`]: new MetaFile({ version: versions.board }),
    };
    const snapshot = new Snapshot({ ...common(versions.snapshot), meta });
    files.set(`metadata/${versions.snapshot}.snapshot.json`, signedBy(new Metadata(snapshot), signers.snapshot));
    writeTimestamp();
  }

  function writeTimestamp(): void {
    versions.timestamp += 1;
    const snapshotMeta = new MetaFile({ version: versions.snapshot });
    const timestamp = new Timestamp({ ...common(versions.timestamp), snapshotMeta });
    files.set("metadata/timestamp.json", signedBy(new Metadata(timestamp), signers.timestamp));
  }

  function makeRelease(version: string, options: ReleaseOptions = {}): Release {
    const { from, rootBytes = 40 * 4096, copies = true, edits } = options;
    const fresh = noise(`root ${version}`, rootBytes);
    // Most of it is the older release's, at another place.
    const root = edits
      ? edited(from!.root, edits)
      : from
        ? Buffer.concat([fresh.subarray(0, 24 << 10), from.root.subarray(0, rootBytes - (24 << 10))])
        : fresh;
    const tree = makeTree(root.length / 4096);
    tree.add(root);
    const { rootHash } = tree.finish();
    const kernel = paddedKernel(version, "a", { rootHash, dataBlocks: root.length / 4096 });
    const place = kernel.indexOf(slotWord) + slotWord.length;
    kernel[place] = 0;
    const parts: Part[] = [
      { name: "root", sizeBytes: root.length, sha256: sha256(root), places: [] },
      {
        ...{ name: "kernel" as const, sizeBytes: kernel.length, sha256: sha256(kernel) },
        places: [{ name: "slot", offset: place, sizeBytes: 1 }],
      },
    ];
    const contents = { root, kernel };
    const whole = recipeOf(contents);
    const delta = from && copies ? recipeOf(contents, from, edits !== undefined) : undefined;
    const manifest = Manifest.parse({
      ...{ format: 1, board: options.board ?? board, version, builtS: options.builtS ?? 1_700_000_000 },
      ...(options.installFrom !== undefined && { installFrom: options.installFrom }),
      ...(options.rollout && { rollout: options.rollout }),
      verity: { rootHash, dataBlocks: root.length / 4096 },
      parts,
      recipes: [whole, ...(delta ? [{ ...delta, from: from!.rootHash }] : [])],
    });
    return { version, root, kernel, rootHash, manifest, manifestBytes: Buffer.from(JSON.stringify(manifest)) };
  }

  function recipeOf(contents: { root: Buffer; kernel: Buffer }, from?: Release, isPacked = false) {
    const steps: Step[] = [];
    const frames: Buffer[] = [];
    let packBytes = 0;
    /** Its dictionary is the same place of the older release, and some bytes around it. */
    const pack = (part: "root" | "kernel", at: number, chunk: Buffer) => {
      const [first, end] = [Math.max(0, at - 1_000), Math.min(from![part].length, at + chunk.length + 1_000)];
      const frame = patchFrame(from![part].subarray(first, end), chunk);
      frames.push(frame);
      const offset = packBytes;
      packBytes += frame.length;
      return { pack: { offset, length: frame.length }, from: { part, offset: first, length: end - first } };
    };
    for (const name of ["root", "kernel"] as const) {
      const content = contents[name];
      for (let at = 0; at < content.length; at += chunkBytes) {
        const chunk = content.subarray(at, at + chunkBytes);
        const step = { length: chunk.length, sha256: put(chunk) };
        const old = (["root", "kernel"] as const)
          .map((part) => ({ part, offset: from?.[part].indexOf(chunk) ?? -1, length: chunk.length }))
          .find(({ offset }) => offset >= 0);
        if (old) steps.push({ ...step, kind: "copy", from: old });
        else if (isPacked) steps.push({ ...step, kind: "packed", ...pack(name, at, chunk) });
        else steps.push({ ...step, kind: "chunk" });
      }
    }
    const packed = Buffer.concat(frames);
    if (packBytes > 0) files.set(packPath(sha256(packed)), packed);
    const bytes = encodeRecipe(
      packBytes > 0 ? { steps, pack: { sha256: sha256(packed), sizeBytes: packBytes } } : { steps },
    );
    return { sha256: put(bytes), sizeBytes: bytes.length };
  }

  function publish(release: Release): Release {
    for (const name of [release.version, "newest"]) {
      const digest = sha256(release.manifestBytes);
      const path = `${board}/${name}.json`;
      files.set(`targets/${board}/${digest}.${name}.json`, release.manifestBytes);
      const { length } = release.manifestBytes;
      targetsOfBoard.set(path, new TargetFile({ path, length, hashes: { sha256: digest } }));
    }
    writeBoard();
    writeSnapshot();
    return release;
  }

  const firstRoot = writeRoot();
  writeTargets();
  return {
    ...{ files, objects, signers, versions, firstRoot, makeRelease, publish, put },
    /** Changes what a file says, and signs it again. */
    forge(path: string, by: Signer[], change: (signed: Record<string, unknown>) => void) {
      const { signed } = JSON.parse(files.get(path)!.toString());
      change(signed);
      const bytes = Buffer.from(canonicalize(signed));
      const signatures = by.map(({ id, privateKey }) => ({
        keyid: id,
        sig: sign(null, bytes, privateKey).toString("hex"),
      }));
      files.set(path, Buffer.from(JSON.stringify({ signatures, signed })));
    },
    ...{ writeRoot, writeTargets, writeBoard, writeSnapshot, writeTimestamp, signedBy },
    expire: (date: string) => {
      expires = date;
    },
  };
}
