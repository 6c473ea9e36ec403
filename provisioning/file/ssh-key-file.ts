// Reads a file of SSH public keys as people have them: id_ed25519.pub, authorized_keys, a file by PuTTYgen or from a download.
// Pure.

import { shellWord } from "../../system/shell-word.ts";
import { decodeText } from "../../system/text.ts";
import { parseSshKey } from "./ssh-key.ts";

export type SshKeyFile =
  | { keys: string[]; notes: string[] }
  /** `trouble` completes a sentence that begins with the file's name. Neither quotes the file, which may hold a secret. */
  | { trouble: string; hint: string };

export function readSshKeys(bytes: Uint8Array, path: string): SshKeyFile {
  const decoded = decodeText(bytes);
  if ("trouble" in decoded && /UTF-16|zero/.test(decoded.trouble))
    return { trouble: decoded.trouble, hint: publicHalf };
  // Keys and options are ASCII, but a comment may be in any encoding.
  const text =
    "text" in decoded
      ? decoded.text
      : Buffer.from(bytes)
          .toString("utf8")
          .replace(/^\ufeff/, "");
  const whatToGive = privateKey(text, path);
  if (whatToGive) return { trouble: "is a private key, which must stay with you", hint: whatToGive };
  const pem = /^[ \t]*-----BEGIN ((?:RSA )?PUBLIC KEY)-----/m.exec(text)?.[1];
  if (pem) {
    const how = `ssh-keygen -i -m ${pem === "PUBLIC KEY" ? "PKCS8" : "PEM"} -f ${shellWord(path)} > ${shellWord(`${path}.pub`)}`;
    return { trouble: "is a public key in PEM, which sshd does not read", hint: `convert it: ${how}` };
  }
  const [keys, notes]: [Set<string>, string[]] = [new Set(), []];
  unwrapped(text).forEach((line, index) => {
    if (/^[ \t]*(#|$)/.test(line)) return;
    const parsed = parseSshKey(line);
    const where = `line ${index + 1} of ${path}`;
    if ("trouble" in parsed) notes.push(`${where} ${parsed.trouble}`);
    else if (!parsed.isWhole) notes.push(`${where} has a key that is cut off or damaged`);
    else {
      keys.add(parsed.line);
      if (parsed.wasCertificate)
        notes.push(
          `everything but the key of the certificate in ${where}: that key may log in, whatever dates and names the certificate has`,
        );
    }
  });
  if (keys.size > 0) return { keys: [...keys], notes };
  const more = notes.length > 1 ? ` and ${notes.length - 1} more` : "";
  const why = notes.length > 0 ? `has no SSH public key: ${notes[0]}${more}` : "has no SSH public key";
  return { trouble: why, hint: publicHalf };
}

const publicHalf = "give the .pub file by ssh-keygen, such as ~/.ssh/id_ed25519.pub";

/** The hint for a text with a private key anywhere in it. */
function privateKey(text: string, path: string): string | undefined {
  if (/^[ \t]*PuTTY-User-Key-File-/m.test(text))
    return `give its public half: puttygen ${shellWord(path)} -O public-openssh -o ${shellWord(`${path}.pub`)}`;
  if (!/^[ \t]*-{4,5} ?BEGIN [A-Z0-9 ]*PRIVATE KEY|^SSH PRIVATE KEY FILE FORMAT/m.test(text)) return undefined;
  return `give ${path}.pub; if there is none: ssh-keygen -y -f ${shellWord(path)} > ${shellWord(`${path}.pub`)}`;
}

/** Lines of the text. A key in the form of RFC 4716 (PuTTYgen's "Save public key") becomes one line, followed by blank ones. */
function unwrapped(text: string): string[] {
  const lines = text.split(/\r\n|\n|\r/);
  for (let start = 0; start < lines.length; start += 1) {
    if (!/^[ \t]*---- BEGIN SSH2 PUBLIC KEY ----[ \t]*$/.test(lines[start]!)) continue;
    const length = lines.slice(start).findIndex((line) => /^[ \t]*---- END SSH2 PUBLIC KEY ----[ \t]*$/.test(line)) + 1;
    if (length === 0) continue;
    const body = lines
      .slice(start + 1, start + length - 1)
      .join("\n")
      .replaceAll("\\\n", "");
    const comment = /^comment:[ \t]*"?(.*?)"?[ \t]*$/im.exec(body)?.[1] ?? "";
    const base64 = body
      .split("\n")
      .filter((line) => !line.includes(":"))
      .join("")
      .replaceAll(/\s/g, "");
    const blob = Buffer.from(base64, "base64");
    const type = blob.length > 4 ? blob.subarray(4, 4 + blob.readUInt32BE(0)).toString("latin1") : "";
    lines.splice(start, length, `${type} ${base64} ${comment}`, ...Array<string>(length - 1).fill(""));
  }
  return lines;
}
