// Where a device gets its updates: its repositories, in the order in which it tries them, and the release root that it trusts. Its image
// names both, and its provision file may replace them.
import { createHash } from "node:crypto";
import { z } from "zod";
import { HamletError } from "../../system/error.ts";
import { explainIssues } from "../../system/files.ts";
import { parseJsonBytes, readBytes } from "../../system/json-file.ts";

/** With a slash at its end, so that names of files are resolved below it. */
export const Repository = z
  .string()
  .max(500)
  .refine(isPlainUrl, "must be an http:// or https:// address of a folder, without user name, ? and #")
  .transform((url) => (url.endsWith("/") ? url : `${url}/`));
export const Repositories = z.array(Repository).min(1).max(8);

function isPlainUrl(url: string): boolean {
  if (!URL.canParse(url) || /[?#]/.test(url)) return false;
  const { protocol, username, password } = new URL(url);
  return ["http:", "https:"].includes(protocol) && username === "" && password === "";
}

const Key = z.looseObject({ keytype: z.string(), scheme: z.string(), keyval: z.looseObject({ public: z.string() }) });

/** TUF's root metadata, as far as a builder judges it; the updater verifies its signatures. */
export const ReleaseRoot = z.looseObject({
  signed: z.looseObject({
    _type: z.literal("root"),
    version: z.int().positive(),
    keys: z.record(z.string(), Key).refine((keys) => Object.keys(keys).length > 0, "has no keys"),
    roles: z.looseObject({
      root: z.looseObject({ keyids: z.array(z.string()).min(1), threshold: z.int().positive() }),
    }),
  }),
  signatures: z.array(z.looseObject({ keyid: z.string(), sig: z.string() })).min(1),
});
export type ReleaseRoot = z.infer<typeof ReleaseRoot>;

/** A root with ten keys has 6 kB. */
export const maxReleaseRootBytes = 64 << 10;

/** What an image has in `update.json`. */
export const UpdateJson = z.object({ repositories: Repositories });

/** Names of the files in /usr/lib/hamlet of an image that has a source of updates. */
export const updateFiles = { repositories: "update.json", releaseRoot: "release-root.json" } as const;

/** Throws `file.unreadable` or `file.invalid`. */
export async function readReleaseRoot(path: string): Promise<ReleaseRoot> {
  return parseReleaseRoot(await readBytes(path), path);
}

/** Throws `file.invalid`, which says what is wrong with `name`. */
export function parseReleaseRoot(bytes: Uint8Array, name: string): ReleaseRoot {
  const refuse = (why: string) =>
    new HamletError("file.invalid", `${name} is not a release root: ${why}`, {
      hint: "name a file metadata/<n>.root.json of the update repository",
    });
  if (bytes.length > maxReleaseRootBytes) throw refuse("it is too large");
  const read = parseJsonBytes(bytes);
  if ("trouble" in read) throw refuse(`it ${read.trouble}`);
  const parsed = ReleaseRoot.safeParse(read.json);
  if (!parsed.success) throw refuse(explainIssues(parsed.error));
  return parsed.data;
}

/** `keys`: digest of the ids of the keys that may replace this root; the same for every root that these keys signed for themselves. */
export function releaseRootFacts({ signed: { version, roles } }: ReleaseRoot): {
  version: number;
  threshold: number;
  keyCount: number;
  keys: string;
} {
  const { keyids, threshold } = roles.root;
  const keys = createHash("sha256").update(JSON.stringify(keyids.toSorted())).digest("hex");
  return { version, threshold, keyCount: keyids.length, keys };
}
