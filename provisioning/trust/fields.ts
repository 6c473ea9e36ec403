// Schemas of the fields that signed documents and the provision file share.
import { z } from "zod";
import { isWithin, parseAddress, prefixOf } from "../../system/address.ts";
import { parseEndpoint } from "../../system/endpoint.ts";
import { isPublicKey } from "./keys.ts";
import { isId } from "./names.ts";

export const Id = z.string().length(26).refine(isId, "is not an id");
export const PublicKey = z.string().length(43).refine(isPublicKey, "is not an Ed25519 key in base64url");

/** One label of a host name (RFC 1123 2.1) that has no other meaning. */
export const DeviceName = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, "is not a DNS label: a-z, 0-9 and - inside, at most 63")
  .superRefine((name, context) => {
    const meaning = otherMeaningOf(name);
    if (meaning) context.addIssue({ code: "custom", message: `is not a name for a device: it means ${meaning}` });
  });
const meanings: Record<string, string> = {
  hamlet: "the whole neighborhood (http://hamlet.local)",
  localhost: "this computer itself",
  "ip6-localhost": "this computer itself",
  "ip6-loopback": "this computer itself",
  "ip6-allnodes": "every computer on the link",
  "ip6-allrouters": "every router on the link",
  broadcasthost: "every computer on the link",
  local: "every name that mDNS resolves",
  internal: "every name in the mesh",
  gateway: "the home's router",
  wpad: "where browsers look for a proxy",
  isatap: "where Windows looks for an IPv6 tunnel",
};

/** What resolvers or browsers take this word for; undefined for a name that a device may have. */
function otherMeaningOf(name: string): string | undefined {
  if (Object.hasOwn(meanings, name)) return meanings[name];
  // inet_aton(3), and the URL Standard's host parser with it: 12, 0x7f and 017 are addresses.
  if (/^(\d+|0x[0-9a-f]*)$/.test(name)) return "an IPv4 address, written as one number";
  // RFC 5891 4.2.3.1: hyphens there mark a label that encodes another alphabet.
  if (/^..--/.test(name)) return "a name in another alphabet, encoded";
  return undefined;
}

export const BoardName = z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/, "is not the name of a board");
/** What people call a neighborhood or an operator: one printable line. */
export const Label = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+$/u, "has unprintable characters");
/** The version of a release, as the image builder allows it. */
export const ReleaseVersion = z
  .string()
  .max(64)
  .regex(/^[0-9A-Za-z][0-9A-Za-z.~+-]*$/, "is not the version of a release");
export const Tag = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,31}$/, "is not a tag: a-z, 0-9, . _ -, at most 32");
export const EpochMs = z.int().min(0).describe("ms since 1970");
/** sha256 in base64url. */
export const Digest = z.string().regex(/^[\w-]{43}$/, "is not a digest");
/** 16 hex digits, enough that no two tokens share one by chance. */
export const TokenId = z.string().regex(/^[0-9a-f]{16}$/, "is not a token's id");
export const Jws = z
  .string()
  .max(64 << 10)
  .regex(/^[\w-]+\.[\w-]+\.[\w-]+$/, "is not a compact JWS");

/** `192.168.1.7:51820` or `[fe80::1]:51820`: a unicast address with a port, never a name. */
export const Endpoint = z.string().max(64).refine(isEndpoint, "is not an address with port");

function isEndpoint(text: string): boolean {
  // One spelling: no capitals, no leading zero of a port. A scope means nothing to others.
  if (!/^[[\]0-9a-f:.]+:[1-9][0-9]*$/.test(text)) return false;
  const address = parseAddress(parseEndpoint(text)?.address ?? "");
  return address !== undefined && !nowhere.some((prefix) => isWithin(address, prefix));
}

/** This network, multicast and what is reserved. */
const nowhere = ["0.0.0.0/8", "224.0.0.0/3", "::/128", "ff00::/8"].map(prefixOf);
