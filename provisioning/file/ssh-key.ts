// Normalizes an SSH public key, a line of authorized_keys(5): options, type, base64, comment. OpenSSH accepts tabs and blanks anywhere
// between them; the result has single blanks, and nothing in it can end a line of a file that root's sshd reads.
// Pure.
import { isWholeKey, keyOfCertificate, keyTypes, typeInBlob } from "./ssh-key-blob.ts";

export type SshKeyLine = {
  /** For authorized_keys: single blanks between the parts. */
  line: string;
  /** False for a key that is cut off or damaged, which OpenSSH ignores. */
  isWhole: boolean;
  /** The key came in a certificate, whose dates and names do not restrict the key itself. */
  wasCertificate: boolean;
};

/** sshd(8), AUTHORIZED_KEYS FILE FORMAT, in upper or lower case. `true`: takes a quoted value. */
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

/** The message quotes nothing of the line: people may give a secret file by mistake. */
export function parseSshKey(text: string): SshKeyLine | { trouble: string } {
  const trimmed = text.replaceAll(/^[ \t\r\n]+|[ \t\r\n]+$/g, "");
  const direct = parseKey(trimmed);
  if (direct) return direct;
  // A blank inside quotes does not end the options, and \" does not end the quotes.
  const head = /^(?:\\"|"(?:\\"|[^"])*"|[^ \t"])+/.exec(trimmed)?.[0] ?? "";
  const key = parseKey(trimmed.slice(head.length).replace(/^[ \t]+/, ""));
  if (key === undefined)
    return {
      trouble: dsa.test(trimmed) ? "is a DSA key, which OpenSSH no longer accepts" : "is not an SSH public key",
    };
  if ("trouble" in key) return key;
  const wrong = troubleOfOptions(head);
  if (wrong) return { trouble: wrong };
  return { ...key, line: `${head} ${key.line}` };
}

const dsa = /(?:^|[ \t])ssh-dss(?:-cert-v01@openssh\.com)?[ \t]+AAAA/;

/** Undefined if the text does not begin with a key. */
function parseKey(text: string): SshKeyLine | { trouble: string } | undefined {
  const [, type = "", base64 = "", rest = ""] =
    /^([a-z0-9@.-]+)[ \t]+([A-Za-z0-9+/]+={0,2})(?:[ \t]+(.*))?$/su.exec(text) ?? [];
  const blob = Buffer.from(base64, "base64");
  if (base64 === "" || typeInBlob(blob) !== type) return undefined;
  // OpenSSH accepts only canonical base64: padded, with its unused bits zero.
  const isCanonical = blob.toString("base64") === base64;
  const inCertificate = keyOfCertificate(type, blob);
  if (!inCertificate && !keyTypes.includes(type)) {
    return dsa.test(text) ? undefined : { trouble: "is a key of an unknown type, or a damaged certificate" };
  }
  // A control character could end the line or colour a terminal.
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
      return "has something before its key that is no option of sshd (a line of known_hosts has a host there)";
    }
    rest = rest.slice(whole.length);
    if (rest === "") return undefined;
    rest = rest.slice(1);
  }
}
