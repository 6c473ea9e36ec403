// Removes secrets from a text that goes to other people: the secrets on this device in every spelling that programs print, and anything
// that looks like a secret, because a journal may hold a key that is no longer on the disk.
// Pure.

export const removed = "[removed]";

/** Shorter ones would match everywhere, and no secret of ours is so short. */
const minChars = 6;

export type Redact = (text: string) => string;

/** `secrets`: passwords as typed, keys in base64, base64url or hex, whole PEM blocks. */
export function makeRedaction(secrets: readonly string[]): Redact {
  const spellings = [...new Set(secrets.flatMap(spellingsOf))].filter((spelling) => spelling.length >= minChars);
  // Longest first, or a secret that begins with a shorter one would leave its end behind.
  const known = spellings.sort((one, other) => other.length - one.length);
  return (text) => {
    const lessKnown = known.reduce((left, spelling) => left.replaceAll(spelling, removed), text);
    return looks.reduce((left, [pattern, by]) => left.replaceAll(pattern, by), lessKnown);
  };
}

function spellingsOf(secret: string): string[] {
  const pem = /-----BEGIN [^-]+-----([\s\S]*?)-----END/.exec(secret)?.[1];
  if (pem !== undefined) {
    const whole = Buffer.from(pem, "base64");
    // An Ed25519 or X25519 key in PKCS8 ends with its 32 bytes, which is what JWK and WireGuard show.
    const lines = pem.split(/\s+/).filter((line) => line !== "");
    return [...lines, ...ofBytes(whole), ...(whole.length === 48 ? ofBytes(whole.subarray(-32)) : [])];
  }
  const asBytes = /^[A-Za-z0-9+/_-]{43}=?$/.test(secret) ? ofBytes(Buffer.from(secret, "base64")) : [];
  const typed = Buffer.from(secret);
  // Programs print typed text in JSON, in URLs, as hex and as base64.
  return [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret), ...ofBytes(typed), ...asBytes];
}

function ofBytes(bytes: Buffer): string[] {
  const [hex, base64] = [bytes.toString("hex"), bytes.toString("base64")];
  return [hex, hex.toUpperCase(), base64, base64.replace(/=+$/, ""), bytes.toString("base64url")];
}

/** Patterns of unknown secrets. Without a word boundary before them, because in JSON a line begins after the n of \n. */
const looks: [RegExp, string][] = [
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)/g, removed],
  [/(psk|passphrase|password|sae_password|wep_key\d)(\s*[=:]\s*)("[^"\n]*"|[^\s,;]+)/gi, `$1$2${removed}`],
  [/("(?:tokenKey|wireguardKey|deviceKey|privateKey|password|psk|d)"\s*:\s*)"[^"]*"/g, `$1"${removed}"`],
  [/(private[ _-]?key|preshared[ _-]?key)(\s*[=:]\s*)(?!\(hidden\))\S+/gi, `$1$2${removed}`],
  [/(\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@]+:)[^\s@/]+@/gi, `$1${removed}@`],
];
