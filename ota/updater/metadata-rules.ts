// What a repository's metadata may not contain, although the TUF library lets it pass.
// Pure.
import { createPublicKey } from "node:crypto";
import { z } from "zod";
import { HamletError } from "../../system/error.ts";
import { explainIssues } from "../../system/files.ts";
import { parseJsonBytes } from "../../system/json-file.ts";
import { hasMoreValues } from "../../system/json-values.ts";
import { Hex32 } from "../format/manifest.ts";

/** RFC 3339 in UTC, as TUF has it: the library takes any text that a computer may read as a date. */
const Expires = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{3})?Z$/)
  .refine((text) => !Number.isNaN(Date.parse(text)), "it is no date");
/** A board's. The library, and our floors, keep all roles under their names. */
const RoleName = z
  .string()
  .regex(/^[a-z0-9-]{1,32}$/)
  .refine((name) => !["root", "targets", "snapshot", "timestamp"].includes(name), "it is the name of another role");
const Count = z.int().positive();
const Keys = z
  .record(z.string().max(128), z.looseObject({ keytype: z.string(), keyval: z.looseObject({ public: z.string() }) }))
  .refine(areDistinct, "one key has two ids, and would count as two signers");
const Role = z.looseObject({ keyids: z.array(z.string()).min(1).max(16), threshold: Count });
const Meta = z.record(z.string().regex(/^[a-z0-9-]{1,32}\.json$/), z.looseObject({ version: Count }));
const common = { version: Count, expires: Expires };

const Signed = z.discriminatedUnion("_type", [
  z.looseObject({
    ...common,
    _type: z.literal("root"),
    keys: Keys,
    roles: z.strictObject({ root: Role, targets: Role, snapshot: Role, timestamp: Role }),
    consistent_snapshot: z.literal(true),
  }),
  z.looseObject({ ...common, _type: z.literal("timestamp"), meta: Meta }),
  z.looseObject({ ...common, _type: z.literal("snapshot"), meta: Meta }),
  z.looseObject({
    ...common,
    _type: z.literal("targets"),
    targets: z.record(
      z.string().max(128),
      z.looseObject({ length: z.int().nonnegative(), hashes: z.looseObject({ sha256: Hex32 }) }),
    ),
    delegations: z
      .strictObject({
        keys: Keys,
        roles: z
          .array(Role.extend({ name: RoleName, terminating: z.boolean(), paths: z.array(z.string().max(128)).max(8) }))
          .max(32),
      })
      .optional(),
  }),
]);
const Metadata = z.looseObject({ signed: Signed, signatures: z.array(z.unknown()).max(16) });

/** Half a megabyte of targets has fewer. Nobody has signed what is checked here: it may be anything. */
const maxValues = 8 << 10;

/** Throws `update.badMetadata`. */
export function checkMetadata(name: string, bytes: Buffer): void {
  const refuse = (why: string) => new HamletError("update.badMetadata", `${name} ${why}`);
  if (hasMoreValues(bytes, maxValues)) throw refuse(`has more than ${maxValues} values`);
  const read = parseJsonBytes(bytes);
  if ("trouble" in read) throw refuse(read.trouble);
  const parsed = Metadata.safeParse(read.json);
  if (!parsed.success) throw refuse(`is not valid: ${explainIssues(parsed.error)}`);
}

function areDistinct(keys: Record<string, { keyval: { public: string } }>): boolean {
  const values = Object.values(keys).map(({ keyval }) => plainKey(keyval.public));
  return new Set(values).size === values.length;
}

/** The same for every way in which a key may be written. */
function plainKey(text: string): string {
  if (!text.startsWith("-----BEGIN")) return text.toLowerCase();
  try {
    const { x } = createPublicKey(text).export({ format: "jwk" });
    return x === undefined ? text : Buffer.from(x, "base64url").toString("hex");
  } catch {
    return text;
  }
}
