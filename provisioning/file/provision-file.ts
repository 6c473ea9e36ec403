// The provision file turns one image into one device of one neighborhood. It fills a block of fixed size that the image reserves, so
// that writing it needs no file system.

import { isIP } from "node:net";
import { z } from "zod";
import { parsePrefix } from "../../system/address.ts";
import { HamletError } from "../../system/error.ts";
import { explainIssues } from "../../system/files.ts";
import { parseJsonBytes } from "../../system/json-file.ts";
import { BoardName, DeviceName, Id, Jws, Label, PublicKey } from "../trust/fields.ts";
import { foundedBy } from "../trust/neighborhood-keys.ts";
import { parseSshKey } from "./ssh-key.ts";
import { staticAddressProblems } from "./static-address.ts";
import { TimeZone } from "./time-zone.ts";
import { ReleaseRoot, Repositories } from "./update-source.ts";

export const provisionBlockBytes = 64 << 10;

const Address = z.string().refine((text) => isIP(text) > 0 && !text.includes("%"), "is not an IP address");
const AddressWithPrefix = z
  .string()
  .refine((text) => parsePrefix(text) !== undefined, "is not an address with prefix, such as 192.168.1.5/24");
/** Without line feeds, because root writes it into lines of configuration files. */
const OneLine = z.string().regex(/^[^\p{Cc}]+$/u, "has control characters");

/** Names that systemd gives to links: eth0, end0, enp3s0; wlan0, wlp2s0, wlx0013ef. */
export const linkPatterns = { cable: "e*", wifi: "wl*" } as const;

export const Network = z.strictObject({
  wifi: z
    .strictObject({
      ssid: OneLine.min(1).refine((ssid) => Buffer.byteLength(ssid) <= 32, "is longer than 32 bytes"),
      password: z
        .string()
        .regex(/^[\x20-\x7e]{8,63}$/, "must be 8 to 63 characters of ASCII")
        .optional()
        .describe("left out for an open network"),
      psk: z
        .string()
        .regex(/^[0-9a-f]{64}$/)
        .optional()
        .describe(
          "instead of the password: PBKDF2 of password and SSID in hex, as Raspberry Pi Imager writes it; WPA2 only",
        ),
      country: z
        .string()
        .regex(/^[A-Z]{2}$/)
        .optional()
        .describe("ISO 3166 code, which decides the allowed channels"),
      hidden: z.boolean().optional(),
    })
    .refine(({ password, psk }) => password === undefined || psk === undefined, "has both password and psk")
    .optional(),
  staticAddress: z
    .strictObject({
      interface: z
        .string()
        .regex(/^[a-zA-Z0-9*._-]{1,15}$/)
        .default(linkPatterns.cable)
        .describe("a name or a pattern"),
      address: AddressWithPrefix,
      gateway: Address.optional(),
      dns: z.array(Address).max(4).optional(),
    })
    .superRefine((wanted, context) => {
      for (const { part, message } of staticAddressProblems(wanted))
        context.addIssue({ code: "custom", path: [part], message });
    })
    .optional(),
});
export type Network = z.infer<typeof Network>;

/** A line of authorized_keys as `parseSshKey` normalizes it: it keeps its options, and nothing in it can end the line. */
export const SshKey = z
  .string()
  .max(16 << 10)
  .refine((text) => {
    const parsed = parseSshKey(text);
    return !("trouble" in parsed) && parsed.line === text;
  }, "is not an SSH public key");
/** As many as fit into a block beside everything else. */
export const maxSshKeys = 16;
/** `host:port`, and optionally `#key`: the key to which a hello beyond the link is encrypted. */
export const Seed = z
  .string()
  .max(300)
  .regex(/^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):[1-9][0-9]{0,4}(#[\w-]{43})?$/, "is not host:port");

export const ProvisionFile = z.strictObject({
  v: z.literal(1),
  neighborhood: z
    .strictObject({
      id: Id,
      name: Label,
      rootKey: PublicKey.describe("the founding root key, whose hash with the successor's is the id"),
      successorKey: PublicKey.describe("the founding successor key"),
      successions: z.array(Jws).max(16).optional().describe("changes of root since the founding"),
    })
    .refine(
      ({ id, rootKey, successorKey }) => foundedBy(rootKey, successorKey).id === id,
      "the id does not match these keys",
    ),
  token: Jws.describe("certificate by the root"),
  tokenKey: PublicKey.describe("secret seed of the token, base64url; wiped once used"),
  revocations: z.array(Jws).max(64).optional().describe("all revocations up to the number in the token"),
  name: DeviceName.optional(),
  board: BoardName.optional().describe("the only board this file is for"),
  network: Network.optional(),
  sshKeys: z.array(SshKey).max(maxSshKeys).optional().describe("sshd starts only if there is one"),
  seeds: z.array(Seed).max(16).optional(),
  config: z.record(z.string(), z.unknown()).optional().describe("settings of the agent, which checks them itself"),
  // A release before 0.2 refuses a file with one of these keys, so they are written only if somebody asks for it.
  timezone: TimeZone.optional().describe("IANA name, such as Europe/Berlin: hours of the night are by it"),
  update: z
    .strictObject({ repositories: Repositories.optional(), releaseRoot: ReleaseRoot.optional() })
    .optional()
    .describe("where the device gets its updates, in place of what its image says"),
});
export type ProvisionFile = z.infer<typeof ProvisionFile>;

/** Exactly one block: JSON, a line feed, then spaces. Throws `provision.invalid` or `provision.tooLarge`. */
export function encodeProvisionFile(file: ProvisionFile): Buffer {
  return padded(JSON.stringify(check(file)));
}

/** Throws `provision.invalid` for a file that is cut off, blank or foreign, `provision.tooLarge` for one longer than a block. */
export function decodeProvisionFile(bytes: Uint8Array): ProvisionFile {
  if (bytes.length > provisionBlockBytes) throw tooLarge(bytes.length);
  if (isBlankProvisionBlock(bytes)) {
    throw new HamletError("provision.invalid", "this image is not provisioned", { hint: "run hamlet provision on it" });
  }
  const parsed = parseJsonBytes(bytes);
  if ("trouble" in parsed) {
    throw new HamletError("provision.invalid", `the provision file ${parsed.trouble}`, {
      hint: "provision the image again: hamlet provision writes the whole file",
    });
  }
  return check(parsed.json);
}

/** The provision file in a block, if there is a valid one. */
export function provisionFileIn(bytes: Uint8Array): ProvisionFile | undefined {
  try {
    return decodeProvisionFile(bytes);
  } catch {
    return undefined;
  }
}

/** The content of a block before the image is provisioned, and after the device has read it. */
export const blankProvisionBlock = (): Buffer => Buffer.alloc(provisionBlockBytes, "\n");

/** Line feeds, spaces and zeros only: other tools blank a file in their own way. */
export const isBlankProvisionBlock = (bytes: Uint8Array): boolean =>
  bytes.every((byte) => byte === 0x0a || byte === 0x20 || byte === 0);

/** Throws `provision.wrongBoard` if the file names another board. */
export function requireBoard(file: Pick<ProvisionFile, "board">, board: string): void {
  if (file.board === undefined || file.board === board) return;
  throw new HamletError("provision.wrongBoard", `the provision file is for ${file.board}, and this is a ${board}`, {
    hint: `provision an image for ${file.board}, or leave out --board`,
    exitCode: 3,
  });
}

function check(json: unknown): ProvisionFile {
  const parsed = ProvisionFile.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new HamletError("provision.invalid", `the provision file: ${explainIssues(parsed.error)}`, {
    hint: "write it with hamlet provision",
  });
}

function padded(text: string): Buffer {
  const bytes = Buffer.from(`${text}\n`);
  if (bytes.length > provisionBlockBytes) throw tooLarge(bytes.length);
  return Buffer.concat([bytes, Buffer.alloc(provisionBlockBytes - bytes.length, " ")]);
}

const tooLarge = (sizeBytes: number): HamletError =>
  new HamletError(
    "provision.tooLarge",
    `the provision file has ${sizeBytes} bytes, and at most ${provisionBlockBytes} fit`,
    {
      hint: "give fewer SSH keys or a shorter config",
    },
  );
