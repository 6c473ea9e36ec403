// The lock as data: the difference between two locks, and whether the committed ones cover everything that the builder asks for.

import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { expect, test } from "vitest";
import { suite } from "../../../../image/bundle/debian/mirror.ts";
import { nodeVersion } from "../../../../image/bundle/debian/node.ts";
import { askedFor } from "../../../../image/bundle/debian/packages.ts";
import { parsePackages } from "../../../../image/bundle/debian/resolve.ts";
import { authConf, parseSource } from "../../../../image/bundle/debian/sources.ts";
import {
  answers,
  describeDifference,
  diffLocks,
  Lock,
  LockedPackage,
  readLock,
} from "../../../../image/bundle/lock/lock.ts";

const project = fileURLToPath(new URL("../../../..", import.meta.url));

test.each(["amd64", "arm64"] as const)(
  "the committed lock for %s covers everything that the builder asks for",
  async (architecture) => {
    const lock = await readLock(project, architecture);
    expect(answers(lock, askedFor(architecture), suite)).toBe(true);
    expect(lock.node.version).toBe(nodeVersion);
    for (const name of lock.asked.installed) expect(lock.installed).toHaveProperty([name]);
    expect(Object.keys(lock.unpacked)).toContainEqual(expect.stringMatching(/^linux-image-[0-9]/));
    const foreign = Object.values({ ...lock.installed, ...lock.unpacked }).filter(
      (one) => one.architecture !== "all" && one.architecture !== architecture,
    );
    expect(foreign).toEqual([]);
  },
);

const digest = fc.stringMatching(/^[0-9a-f]{64}$/);
const onePackage = fc.record({
  version: fc.constantFrom("1.0-1", "1:2.3~rc1-4+b1", "7"),
  architecture: fc.constantFrom("all" as const, "amd64" as const),
  sizeBytes: fc.integer({ min: 1 }),
  sha256: digest,
  path: fc.constant("pool/main/a/a/a_1_amd64.deb"),
});
const someLock = fc.record({
  format: fc.constant(1 as const),
  architecture: fc.constant("amd64" as const),
  suite: fc.constant("bookworm"),
  epochS: fc.integer({ min: 1 }),
  asked: fc.record({ installed: fc.array(fc.constantFrom("udev")), unpacked: fc.array(fc.constantFrom("libc6")) }),
  node: fc.record({ version: fc.constantFrom("24.1.0", "24.2.0"), sha256: digest }),
  tools: fc.dictionary(fc.constantFrom("apt", "xz", "kmod"), fc.constantFrom("1", "2")),
  installed: fc.dictionary(fc.constantFrom("libc6", "udev", "dbus", "kmod"), onePackage),
  unpacked: fc.dictionary(fc.constantFrom("linux-image-6.1.0-1-amd64", "firmware-x"), onePackage),
});

test("a lock does not differ from itself, and the difference of two names each change once, in either order", () => {
  fc.assert(
    fc.property(someLock, someLock, (a, b) => {
      expect(Lock.safeParse(a).success).toBe(true);
      expect(diffLocks(a, a)).toEqual([]);
      const there = diffLocks(a, b);
      const back = diffLocks(b, a).map(({ locked, taken, ...rest }) => ({
        ...rest,
        ...(taken && { locked: taken }),
        ...(locked && { taken: locked }),
      }));
      expect(there).toEqual(back);
      expect(new Set(there.map(({ kind, name }) => `${kind} ${name}`)).size).toBe(there.length);
      for (const one of there) expect(one.locked).not.toBe(one.taken);
      const named = new Set(there.filter(({ kind }) => kind === "package").map(({ name }) => name));
      for (const name of Object.keys({ ...a.installed, ...b.installed })) {
        expect(named.has(name)).toBe(a.installed[name]?.sha256 !== b.installed[name]?.sha256);
      }
    }),
  );
});

test("a difference is printed as old -> new", () => {
  const lines = [
    { kind: "package" as const, name: "openssl", locked: "3.0.15-1", taken: "3.0.16-1" },
    { kind: "tool" as const, name: "xz", taken: "5.6" },
  ].map(describeDifference);
  expect(lines).toEqual(["openssl 3.0.15-1 -> 3.0.16-1", "tool xz (none) -> 5.6"]);
});

test.each(["../../etc/passwd.deb", "pool/../../x.deb", "/etc/x.deb", "http://x/y.deb", "pool/x.tar", "pool/a b.deb"])(
  "a lock cannot name the path %s",
  (path) => {
    const good = { version: "1", architecture: "all", sizeBytes: 1, sha256: "ab".repeat(32), path: "pool/x_1_all.deb" };
    expect(LockedPackage.safeParse(good).success).toBe(true);
    expect(LockedPackage.safeParse({ ...good, path }).success).toBe(false);
  },
);

test("stanzas of an index become packages, and an incomplete one is refused by name", () => {
  const stanza = (name: string, digestText: string) =>
    `Package: ${name}\nVersion: 1:2.0-1+b1\nArchitecture: amd64\nDepends: libc6 (>= 2.36),\n libx (>= 1)\nFilename: ./pool/${name}_2.0_amd64.deb\nSize: 12\nSHA256: ${digestText}\n`;
  const [one, two, none] = parsePackages(`${stanza("a", "ab".repeat(32))}\n${stanza("b", "cd".repeat(32))}\n\n`);
  expect(one).toMatchObject({ name: "a", version: "1:2.0-1+b1", path: "pool/a_2.0_amd64.deb", sizeBytes: 12 });
  expect([two?.name, none]).toEqual(["b", undefined]);
  expect(() => parsePackages(stanza("broken", "no digest"))).toThrow(expect.objectContaining({ code: "build.failed" }));
});

test("mqtt-percent: a mirror's address never reveals its password, whatever characters it has", () => {
  const word = fc.string({ minLength: 1, unit: "grapheme-ascii" });
  fc.assert(
    fc.property(word, fc.stringMatching(/^[a-z0-9]{12,20}$/), (user, password) => {
      const source = parseSource(
        `deb [signed-by=/k.gpg] https://${encodeURIComponent(user)}:${password}@own.example:8080/debian bookworm main extra`,
      );
      expect(source.line).toBe("deb [signed-by=/k.gpg] https://own.example:8080/debian/ bookworm main extra");
      expect([source.url, source.suite]).toEqual(["https://own.example:8080/debian/", "bookworm"]);
      expect(authConf([source, source])).toBe(
        `machine https://own.example:8080/debian login ${user} password ${password}\n`,
      );
    }),
  );
  const typed = parseSource("deb http://me:50%off@home@own.example/debian bookworm main");
  expect(typed.line).toBe("deb http://own.example/debian/ bookworm main");
  expect(typed.login).toBe("machine http://own.example/debian login me password 50%off@home");
  expect(authConf([parseSource("deb http://own.example/debian bookworm main")])).toBe("");
  expect(parseSource("deb copy:/srv/debian bookworm main").url).toBe("copy:/srv/debian/");
});
