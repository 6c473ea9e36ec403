import { execFileSync, spawnSync } from "node:child_process";
import { hash, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, test as everywhere, expect } from "vitest";
import { readImagerFiles } from "../../../provisioning/file/imager.ts";
import { SshKey } from "../../../provisioning/file/provision-file.ts";
import { parseSshKey } from "../../../provisioning/file/ssh-key.ts";
import { readSshKeys } from "../../../provisioning/file/ssh-key-file.ts";
import { lacks } from "../../lacks.ts";

const test = everywhere.skipIf(lacks("ssh-keygen"));

const folder = mkdtempSync(join(tmpdir(), "hamlet-ssh-key-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const sh = (command: string) => execFileSync("sh", ["-ec", command], { cwd: folder, stdio: "pipe" }).toString();
const put = (name: string, content: string | Buffer) => {
  writeFileSync(join(folder, name), content, { mode: 0o600 });
  return join(folder, name);
};
const read = (name: string) => readSshKeys(readFileSync(join(folder, name)), name);
/** What OpenSSH itself reads: one fingerprint a key. */
const theirs = (name: string): string[] => {
  const { stdout } = spawnSync("ssh-keygen", ["-l", "-f", name], { cwd: folder, encoding: "utf8" });
  return sorted([...stdout.matchAll(/SHA256:\S+/g)].map(String));
};
const ours = (keys: string[]): string[] =>
  sorted(
    keys.map((key) => {
      const blob = key.split(" ").find((word) => word.startsWith("AAAA")) ?? "";
      return `SHA256:${hash("sha256", Buffer.from(blob, "base64"), "base64").replace(/=*$/, "")}`;
    }),
  );
const sorted = (all: string[]): string[] => [...new Set(all)].sort();

const strings = (...fields: (string | Buffer)[]) =>
  Buffer.concat(
    fields.flatMap((field) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(Buffer.byteLength(field));
      return [length, Buffer.from(field)];
    }),
  );
const skEd25519 = "sk-ssh-ed25519@openssh.com";
const skEcdsa = "sk-ecdsa-sha2-nistp256@openssh.com";

/** One public key of each kind, `type base64`; security keys need no hardware for that. */
const publicKeys: string[] = (() => {
  if (lacks("ssh-keygen")) return [];
  const made = ["ed25519", "rsa -b 2048", "ecdsa -b 256", "ecdsa -b 384", "ecdsa -b 521"].map((kind, index) => {
    sh(`ssh-keygen -q -t ${kind} -N '' -C me@home -f key${index}`);
    return readFileSync(join(folder, `key${index}.pub`), "utf8")
      .split(" ")
      .slice(0, 2)
      .join(" ");
  });
  // nistp256: its point stands after the type and the curve's name.
  const point = Buffer.from(made[2]!.split(" ")[1]!, "base64").subarray(-65);
  const blobs = {
    [skEd25519]: strings(skEd25519, randomBytes(32), "ssh:"),
    [skEcdsa]: strings(skEcdsa, "nistp256", point, "ssh:"),
  };
  return [...made, ...Object.entries(blobs).map(([type, blob]) => `${type} ${blob.toString("base64")}`)];
})();

const gap = fc.stringMatching(/^[ \t]{1,3}$/);
const margin = fc.stringMatching(/^[ \t]{0,3}$/);
const option = fc.constantFrom(
  ...["restrict", "no-pty", "cert-authority", "NO-X11-Forwarding", 'from="192.168.1.0/24,!10.0.0.1"'],
  ...['command="echo \\"a b\\", then"', 'expiry-time="20301231"', 'permitopen="[::1]:80"', "verify-required"],
);
const comment = fc.constantFrom("", "me@home", "my\tlaptop  at home", "Jürgen", "# not a comment", 'say "hi"');
const keyLine = fc
  .tuple(margin, fc.array(option, { maxLength: 3 }), fc.constantFrom(...publicKeys, ""), gap, gap, comment, margin)
  .filter(([, , key]) => key !== "")
  .map(([before, options, key, a, b, about, after]) => {
    // sshd takes more blanks after the options, `ssh-keygen -l` one only.
    const head = options.length > 0 ? `${options.join(",")}${a[0]}` : "";
    return `${before}${head}${key.replace(" ", b)}${about && a}${about}${after}`;
  });
const otherLine = fc.constantFrom(
  "",
  "   ",
  "\t",
  "# a comment",
  " # ssh-ed25519 AAAA",
  "rubbish",
  "ssh-ed25519",
  "a b c",
);

test("ssh-key-file: exactly what ssh-keygen reads as public keys is taken, complete and in one form", () => {
  const lines = fc.array(fc.oneof({ weight: 3, arbitrary: keyLine }, otherLine), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(lines, fc.constantFrom("\n", "\r\n"), fc.boolean(), (all, end, isEnded) => {
      put("many", all.join(end) + (isEnded ? end : ""));
      const found = read("many");
      const keys = "keys" in found ? found.keys : [];
      expect(ours(keys)).toEqual(theirs("many"));
      for (const key of keys) {
        expect(SshKey.safeParse(key).success).toBe(true);
        expect(parseSshKey(key)).toMatchObject({ line: key, isWhole: true });
      }
    }),
    { numRuns: 40 },
  );
});

test("ssh-key-file: a key that was cut off or changed in a byte counts as complete only if ssh-keygen reads it", () => {
  const damaged = fc
    .tuple(fc.constantFrom(...publicKeys), fc.nat(), fc.constantFrom("cut", "A", "b", "+", "=", "~"))
    .map(([key, at, how]) => {
      const index = key.indexOf(" ") + 1 + (at % (key.length - key.indexOf(" ") - 1));
      return how === "cut" ? key.slice(0, index) : key.slice(0, index) + how + key.slice(index + 1);
    });
  fc.assert(
    fc.property(fc.array(damaged, { minLength: 10, maxLength: 40 }), (keys) => {
      put("damaged", keys.map((key) => `${key} me\n`).join(""));
      const found = read("damaged");
      // By number: OpenSSH takes the fingerprint of what it has read, which may be shorter than what is written.
      expect(ours("keys" in found ? found.keys : [])).toHaveLength(theirs("damaged").length);
    }),
    { numRuns: 20, endOnFailure: true },
  );
});

test("ssh-key-file: a zero inside a security key's application makes the key invalid, as for OpenSSH", () => {
  for (const [application, count] of [
    ["ssh:", 1],
    ["ss\0:", 0],
    ["ssh:\0", 1],
    ["", 1],
  ] as const) {
    const key = `${skEd25519} ${strings(skEd25519, randomBytes(32), application).toString("base64")}`;
    put("application", `${key}\n`);
    expect([application, theirs("application").length]).toEqual([application, count]);
    expect(parseSshKey(key)).toMatchObject({ isWhole: count === 1 });
  }
});

test("ssh-key-file: options before the key stay unchanged", () => {
  const [ed25519 = ""] = publicKeys;
  const given = `  from="192.168.1.0/24",command="echo \\"hi there\\""\t ${ed25519.replace(" ", "\t\t")}  me`;
  put("options", given);
  expect(read("options")).toEqual({
    keys: [`from="192.168.1.0/24",command="echo \\"hi there\\"" ${ed25519} me`],
    notes: [],
  });
  for (const wrong of ["github.com", "no-such-option", "from=10.0.0.1", 'restrict="x"', "from", 'from="a",', ",pty"]) {
    expect(parseSshKey(`${wrong} ${ed25519}`)).toEqual({
      trouble: expect.stringMatching(/no option of sshd|not an SSH/),
    });
  }
});

test("ssh-key-file: a private key of any format is refused in one line that says what to give and quotes nothing of it", () => {
  const [made, old] = ["-t ed25519", "-t rsa -b 2048 -m PEM"];
  const makes = [
    `ssh-keygen -q ${made} -N '' -f p0`,
    `ssh-keygen -q ${made} -N secret -f p1`,
    `ssh-keygen -q ${old} -N '' -f p2`,
    "ssh-keygen -q -t ecdsa -m PEM -N '' -f p3",
    `ssh-keygen -q -t rsa -b 2048 -m PKCS8 -N '' -f p4`,
    `ssh-keygen -q -t rsa -b 2048 -m PKCS8 -N secret -f p5`,
    `ssh-keygen -q ${old} -N secret -f p6`,
  ];
  const contents: [string, string][] = makes.map((make, index) => {
    sh(make);
    return [`p${index}`, readFileSync(join(folder, `p${index}`), "utf8")];
  });
  const ppk = "PuTTY-User-Key-File-3: ssh-ed25519\r\nEncryption: none\r\nPrivate-Lines: 1\r\nAAAAsecretsecret\r\n";
  contents.push(["a.ppk", ppk], ["ssh1", "SSH PRIVATE KEY FILE FORMAT 1.1\n\0\0\0"]);
  contents.push(["ssh2", "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nsecretsecret\n"]);
  const [first] = contents;
  contents.push(["bom", `\ufeff${first![1]}`], ["crlf", first![1].replaceAll("\n", "\r\n")]);
  contents.push(["indented", first![1].replaceAll(/^/gm, "  ")], ["after", `${publicKeys[0]}\n${first![1]}`]);
  for (const [name, content] of contents) {
    const found = readSshKeys(Buffer.from(content), name);
    expect([name, found]).toEqual([
      name,
      { trouble: "is a private key, which must stay with you", hint: expect.stringContaining(`${name}.pub`) },
    ]);
    const said = JSON.stringify(found);
    for (const piece of content.match(/[A-Za-z0-9+/]{10,}/g) ?? []) expect(said).not.toContain(piece.slice(0, 10));
  }
});

test("ssh-key-file: the command in the hint for a private key makes a file that is accepted", () => {
  sh("ssh-keygen -q -t ed25519 -N '' -f 'my key'");
  rmSync(join(folder, "my key.pub"));
  const found = readSshKeys(readFileSync(join(folder, "my key")), "my key");
  sh(/if there is none: (.*)$/.exec("hint" in found ? found.hint : "")![1]!);
  expect(read("my key.pub")).toMatchObject({ keys: [expect.stringMatching(/^ssh-ed25519 /)], notes: [] });
});

test("ssh-key-file: a certificate gives its key, with a note that its limits do not apply", () => {
  sh("ssh-keygen -q -t ed25519 -N '' -f ca");
  for (const [index, key] of publicKeys.slice(0, 5).entries()) {
    sh(`ssh-keygen -q -s ca -I me -n root -V +1h key${index}.pub`);
    const found = read(`key${index}-cert.pub`);
    expect(found).toMatchObject({ keys: [`${key} me@home`], notes: [expect.stringContaining("certificate")] });
  }
});

test("ssh-key-file: other forms of public keys are accepted, or refused with the command that converts them", () => {
  const [ed25519] = publicKeys;
  sh(
    "ssh-keygen -e -f key0.pub > rfc4716; ssh-keygen -e -m PKCS8 -f key2.pub > pkcs8; ssh-keygen -e -m PEM -f key1.pub > pem",
  );
  expect(read("rfc4716")).toMatchObject({ keys: [expect.stringContaining(ed25519!)], notes: [] });
  for (const [name, key] of [
    ["pkcs8", publicKeys[2]],
    ["pem", publicKeys[1]],
  ] as const) {
    const found = read(name);
    expect(found).toMatchObject({ trouble: expect.stringContaining("is a public key in PEM") });
    sh(/: (ssh-keygen .*)$/.exec("hint" in found ? found.hint : "")![1]!);
    expect(read(`${name}.pub`)).toEqual({ keys: [key], notes: [] });
  }
  put("wide", Buffer.from(`\ufeff${ed25519}`, "utf16le"));
  expect(read("wide")).toMatchObject({ trouble: expect.stringContaining("UTF-16LE") });
  put("latin1", Buffer.from(`${ed25519} J\xfcrgen\n`, "latin1"));
  expect(read("latin1")).toMatchObject({ keys: [expect.stringContaining(ed25519!)] });
});

test("ssh-key-file: a file without a key is refused, and no line of it is shown", () => {
  for (const content of ["", "\n \n", "# mine\n", "password of the house\n", "ssh-dss AAAAB3NzaC1kc3M=\n", "\0\0\0"]) {
    const found = readSshKeys(Buffer.from(content), "file");
    expect(found).toMatchObject({ trouble: expect.any(String), hint: expect.stringContaining(".pub") });
    expect(JSON.stringify(found)).not.toMatch(/password|AAAA|mine/);
  }
  const page = readSshKeys(Buffer.from("<html>\n<body>\n<p>not found\n"), "page");
  expect(page).toMatchObject({ trouble: "has no SSH public key: line 1 of page is not an SSH public key and 2 more" });
});

test("ssh-key-file: control characters in a comment reach neither sshd's file nor a terminal", () => {
  const found = readSshKeys(Buffer.from(`${publicKeys[0]} me\x1b[31m\0\x85home\n`), "file");
  expect(found).toMatchObject({ keys: [`${publicKeys[0]} me [31m home`] });
});

test("ssh-key-file: keys by Raspberry Pi Imager go through the same parser", () => {
  const [ed25519, rsa] = publicKeys;
  const list = [`"  from=\\"10.0.0.0/8\\"  ${ed25519!.replace(" ", "\\t")}  me  "`, `"${rsa}\\n"`, '"no key"'];
  const userData = `hostname: attic\nssh_authorized_keys:\n${list.map((line) => `- ${line}\n`).join("")}ssh_import_id: [gh:me]\n`;
  const { settings, warnings } = readImagerFiles({ userData });
  expect(settings.sshKeys).toEqual([`from="10.0.0.0/8" ${ed25519} me`, rsa]);
  expect(warnings).toEqual(["1 of 3 SSH keys are unusable", expect.stringContaining("ssh_import_id")]);
});
