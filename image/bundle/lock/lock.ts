// The lock: every Debian package of an image with version and sha256, the Node runtime, and the versions of the build tools.
// `hamlet image lock` writes one file for each architecture, image/bundle/lock/<architecture>.json.
import { join } from "node:path";
import { z } from "zod";
import { HamletError } from "../../../system/error.ts";
import { readJson } from "../../../system/files.ts";

const Hex32 = z.string().regex(/^[0-9a-f]{64}$/);
const Name = z.string().regex(/^[a-z0-9][a-z0-9.+-]+$/);

export const LockedPackage = z.strictObject({
  version: z.string().regex(/^[0-9][A-Za-z0-9.+:~-]*$/),
  architecture: z.enum(["all", "amd64", "arm64"]),
  sizeBytes: z.int().positive(),
  sha256: Hex32,
  path: z
    .string()
    .regex(/^(?!.*\.\.)[a-z0-9][A-Za-z0-9._+~%/-]*\.deb$/)
    .describe("below a mirror's address"),
});
export type LockedPackage = z.infer<typeof LockedPackage>;

export const Lock = z.strictObject({
  format: z.literal(1),
  architecture: z.enum(["amd64", "arm64"]),
  suite: z.string(),
  epochS: z.int().positive().describe("date of the suite, seconds since 1970: the date of every file in an image"),
  asked: z.strictObject({ installed: z.array(Name), unpacked: z.array(Name) }).describe("what the rest follows from"),
  node: z.strictObject({ version: z.string(), sha256: Hex32 }),
  tools: z.record(z.string(), z.string()).describe("versions of the programs whose output is in the image"),
  installed: z.record(Name, LockedPackage).describe("into the root filesystem, by dpkg"),
  unpacked: z.record(Name, LockedPackage).describe("taken apart for kernel, modules and firmware"),
});
export type Lock = z.infer<typeof Lock>;
export type Asked = Lock["asked"];

/** One difference between two locks; a side is missing if the entry was added or removed. */
export const Difference = z.strictObject({
  kind: z.enum(["package", "tool", "node"]),
  name: z.string(),
  locked: z.string().optional(),
  taken: z.string().optional(),
});
export type Difference = z.infer<typeof Difference>;

export const lockPath = (projectFolder: string, architecture: string): string =>
  join(projectFolder, "image/bundle/lock", `${architecture}.json`);

/** Throws `lock.invalid` if there is none or it cannot be read. */
export async function readLock(projectFolder: string, architecture: string): Promise<Lock> {
  const path = lockPath(projectFolder, architecture);
  const refuse = (why: string, cause?: unknown) =>
    new HamletError("lock.invalid", why, { cause, hint: "write it anew with `hamlet image lock`" });
  const lock = await readJson(path, Lock).catch((cause) => {
    throw refuse(`${path} is not a package lock`, cause);
  });
  if (!lock) throw refuse(`there is no package lock for ${architecture}`);
  if (lock.architecture !== architecture) throw refuse(`${path} is the lock of ${lock.architecture}`);
  return lock;
}

/** All packages of a lock, by name. */
export const packagesOf = (lock: Lock): Record<string, LockedPackage> => ({ ...lock.installed, ...lock.unpacked });

/** The differences of `taken` from `locked`: packages, then the Node runtime, then tools, sorted by name. */
export function diffLocks(locked: Lock, taken: Lock): Difference[] {
  const rows = (lock: Lock): Map<string, { kind: Difference["kind"]; name: string; is: string; as: string }> =>
    new Map([
      ...Object.entries(packagesOf(lock)).map(([name, { version, sha256 }]) => row("package", name, version, sha256)),
      row("node", "node", lock.node.version, lock.node.sha256),
      ...Object.entries(lock.tools).map(([name, version]) => row("tool", name, version, version)),
    ]);
  const [before, after] = [rows(locked), rows(taken)];
  const order = { package: 0, node: 1, tool: 2 };
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((key) => before.get(key)?.is !== after.get(key)?.is)
    .map((key): Difference => {
      const [old, now] = [before.get(key), after.get(key)];
      // The same version with other bytes: show the digests.
      const isRebuilt = old?.as === now?.as;
      const show = (one: typeof old) => one && (isRebuilt ? `${one.as} (${one.is.slice(0, 8)})` : one.as);
      const { kind, name } = (old ?? now)!;
      const [was, is] = [show(old), show(now)];
      return { kind, name, ...(was && { locked: was }), ...(is && { taken: is }) };
    })
    .sort((a, b) => order[a.kind] - order[b.kind] || (a.name < b.name ? -1 : 1));
}

const row = (kind: Difference["kind"], name: string, version: string, digest: string) =>
  [`${kind} ${name}`, { kind, name, as: version, is: digest }] as const;

/** `openssl 3.0.15-1 -> 3.0.16-1`, one a line. */
export const describeDifference = ({ kind, name, locked, taken }: Difference): string =>
  `${kind === "tool" ? "tool " : ""}${name} ${locked ?? "(none)"} -> ${taken ?? "(none)"}`;

/** Whether a lock was resolved from these packages, in any order. */
export const answers = (lock: Lock, asked: Asked, suite: string): boolean =>
  lock.suite === suite &&
  (["installed", "unpacked"] as const).every(
    (kind) => lock.asked[kind].toSorted().join() === asked[kind].toSorted().join(),
  );
