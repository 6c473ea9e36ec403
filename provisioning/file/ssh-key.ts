// An SSH public key as a line of authorized_keys(5): options, type, base64, comment. OpenSSH reads such lines with tabs and blanks
// wherever people leave them; here they become one form, in which nothing can end a line of a file that root's sshd reads.
// Pure.
import { isWholeKey, keyOfCertificate, keyTypes, typeInBlob } from "./ssh-key-blob.ts";

export type SshKeyLine = {
  /** As it stands in authorized_keys: single blanks between its parts. */
  line: string;
  /** False for a key that is cut off or damaged: OpenSSH reads none in it. */
  isWhole: boolean;
  /** It came in a certificate, whose dates and names do not bind the key itself. */
  wasCertificate: boolean;
};

/** sshd(8), AUTHORIZED_KEYS FILE FORMAT; in any case. `true`: with a value in quotes. */
const options = new Map<string, boolean>([
  ...["agent-forwarding", "cert-authority", "no-agent-forwarding", "no-port-forwarding", "no-pty"].map(bare),
  ...["no-touch-required", "no-user-rc", "no-x11-forwarding", "port-forwarding", "pty", "restrict"].map(bare),
  ...["user-rc", "verify-required", "x11-forwarding"].map(bare),
  ...["command", "environment", "expiry-time", "from", "permitlisten", "permitopen", "principals", "tunnel"].map(
    valued,
  ),
]);
function bare(name: string): [string, boolean] {
  return [name, false];
}
function valued(name: string): [string, boolean] {
  return [name, true];
}

/** What is wrong is told without a character of the line: whoever mistakes a file may have given a secret one. */
export function parseSshKey(text: string): SshKeyLine | { trouble: string } {
  const trimmed = text.replaceAll(/^[ \t\r\n]+|[ \t\r\n]+$/g, "");
  const direct = parseKey(trimmed);
  if (direct) return direct;
  // A blank in quotes does not end the options; \" does not end the quotes.
  const head = /^(?:\\"|"(?:\\"|[^"])*"|[^ \t"])+/.exec(trimmed)?.[0] ?? "";
  const key = parseKey(trimmed.slice(head.length).replace(/^[ \t]+/, ""));
  if (key === undefined)
    return { trouble: dsa.test(trimmed) ? "is a DSA key, which OpenSSH takes no more" : "is no SSH public key" };
  if ("trouble" in key) return key;
  const wrong = troubleOfOptions(head);
  if (wrong) return { trouble: wrong };
  return { ...key, line: `${head} ${key.line}` };
}

const dsa = /(?:^|[ \t])ssh-dss(?:-cert-v01@openssh\.com)?[ \t]+AAAA/;

/** Undefined where no key begins. */
function parseKey(text: string): SshKeyLine | { trouble: string } | undefined {
  const [, type = "", base64 = "", rest = ""] =
    /^([a-z0-9@.-]+)[ \t]+([A-Za-z0-9+/]+={0,2})(?:[ \t]+(.*))?$/su.exec(text) ?? [];
  const blob = Buffer.from(base64, "base64");
  if (base64 === "" || typeInBlob(blob) !== type) return undefined;
  // OpenSSH's decoder takes no base64 but the canonical: padded, and with no bits that say nothing.
  const isCanonical = blob.toString("base64") === base64;
  const inCertificate = keyOfCertificate(type, blob);
  if (!inCertificate && !keyTypes.includes(type)) {
    return dsa.test(text)
      ? undefined
      : { trouble: "is a key of a kind that this Hamlet does not know, or a damaged certificate" };
  }
  // A control character could end the line or colour a terminal; a comment is for people only.
  const comment = rest.replaceAll(/\p{Cc}+/gu, " ").trim();
  const key = inCertificate ?? { type, blob };
  const word = inCertificate ? key.blob.toString("base64") : base64;
  return {
    line: [key.type, word, ...(comment ? [comment] : [])].join(" "),
    isWhole: isCanonical && isWholeKey(key.type, key.blob),
    wasCertificate: inCertificate !== undefined,
  };
}

function troubleOfOptions(head: string): string | undefined {
  if (/\p{Cc}/u.test(head)) return "has a control character in its options";
  for (let rest = head; ; ) {
    const [whole = "", name = "", value] = /^([a-zA-Z0-9-]+)(?:=("(?:\\"|[^"])*"))?(?=,|$)/.exec(rest) ?? [];
    const takesValue = options.get(name.toLowerCase());
    if (whole === "" || takesValue === undefined || takesValue !== (value !== undefined)) {
      return "has before its key what is no option of sshd (a line of known_hosts names a host there)";
    }
    rest = rest.slice(whole.length);
    if (rest === "") return undefined;
    rest = rest.slice(1);
  }
}
