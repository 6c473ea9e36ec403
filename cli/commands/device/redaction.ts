// Takes secrets out of a text that goes to others: those that lie on this device, in every spelling in which they may turn up, and
// whatever looks like one. Two nets, because a journal may hold a key that is on the disk no more.
// Pure.

export const removed = "[removed]";

/** Shorter ones would take half of any text with them; no secret of ours is so short. */
const minChars = 6;

export type Redact = (text: string) => string;

/** `secrets`: passwords as typed, keys in base64, base64url or hex, whole PEM blocks. */
export function makeRedaction(secrets: readonly string[]): Redact {
  const spellings = [...new Set(secrets.flatMap(spellingsOf))].filter((spelling) => spelling.length >= minChars);
  // The longest first: a secret that begins with another must not leave its end behind.
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
  // In JSON, in a URL, as hex and base64: the ways in which programs print what people typed.
  return [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret), ...ofBytes(typed), ...asBytes];
}

function ofBytes(bytes: Buffer): string[] {
  const [hex, base64] = [bytes.toString("hex"), bytes.toString("base64")];
  return [hex, hex.toUpperCase(), base64, base64.replace(/=+$/, ""), bytes.toString("base64url")];
}

/** What a secret looks like when nobody told us of it. No word boundary before: in JSON a line begins with the n of its \n. */
const looks: [RegExp, string][] = [
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)/g, removed],
  [/(psk|passphrase|password|sae_password|wep_key\d)(\s*[=:]\s*)("[^"\n]*"|[^\s,;]+)/gi, `$1$2${removed}`],
  [/("(?:tokenKey|wireguardKey|deviceKey|privateKey|password|psk|d)"\s*:\s*)"[^"]*"/g, `$1"${removed}"`],
  [/(private[ _-]?key|preshared[ _-]?key)(\s*[=:]\s*)(?!\(hidden\))\S+/gi, `$1$2${removed}`],
  [/(\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@]+:)[^\s@/]+@/gi, `$1${removed}@`],
];
