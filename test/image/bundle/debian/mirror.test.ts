import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { debianSources, sourcesOfHost, sourcesOfMirror } from "../../../../image/bundle/debian/mirror.ts";

const both = "main non-free-firmware";

test("deb822 sources yield their entries for our suite, with firmware added", () => {
  const text = `Types: deb
# a comment between
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb deb-src
URIs: http://mirror.example/debian-security/
Suites: bookworm-security
Components: main
`;
  const key = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]";
  expect(sourcesOfHost([["debian.sources", text]])).toEqual([
    `deb ${key} http://mirror.example/debian bookworm ${both}`,
    `deb ${key} http://mirror.example/debian bookworm-updates ${both}`,
    `deb http://mirror.example/debian-security/ bookworm-security ${both}`,
  ]);
});

test("one-line sources yield theirs too, without architectures, source packages, comments and other suites", () => {
  const text = `# deb http://old.example/debian bookworm main
deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian bookworm main contrib # here
deb-src http://mirror.example/debian bookworm main
deb http://mirror.example/debian trixie main
deb http://tools.example/apt bookworm stable
deb http://tools.example/apt cloud-bookworm main
`;
  expect(sourcesOfHost([["sources.list", text]])).toEqual([
    `deb [signed-by=/k.gpg] http://mirror.example/debian bookworm ${both}`,
  ]);
});

test("disabled entries and entries of other releases are ignored", () => {
  const stanza = (more: string) => `Types: deb\nURIs: http://m.example/debian\nComponents: main\n${more}\n`;
  expect(sourcesOfHost([["a.sources", stanza("Suites: bookworm\nEnabled: no")]])).toEqual([]);
  expect(sourcesOfHost([["a.sources", stanza("Suites: noble noble-updates")]])).toEqual([]);
  // Updates are useless without the suite that they update.
  expect(sourcesOfHost([["a.sources", stanza("Suites: bookworm-updates")]])).toEqual([]);
  expect(sourcesOfHost([["a.list.disabled", "deb http://m.example/debian bookworm main"]])).toEqual([]);
});

test("a stanza with an inline key uses the archive's own keyring", () => {
  const text = `Types: deb
URIs: http://m.example/debian
Suites: bookworm
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQ
`;
  expect(sourcesOfHost([["a.sources", text]])).toEqual([`deb http://m.example/debian bookworm ${both}`]);
});

test("a mirror from the environment replaces the host's sources", async () => {
  const apt = await mkdtemp(join(tmpdir(), "hamlet-apt-"));
  try {
    await mkdir(join(apt, "sources.list.d"));
    await writeFile(join(apt, "sources.list"), "deb http://host.example/debian bookworm main\n");
    expect(await debianSources({}, apt)).toEqual([`deb http://host.example/debian bookworm ${both}`]);
    const mirror = "http://own.example/debian http://own.example/debian-security";
    expect(await debianSources({ HAMLET_DEBIAN_MIRROR: mirror }, apt)).toEqual([
      `deb http://own.example/debian bookworm ${both}`,
      `deb http://own.example/debian bookworm-updates ${both}`,
      `deb http://own.example/debian-security bookworm-security ${both}`,
    ]);
    expect(await debianSources({}, join(apt, "none"))).toEqual([]);
  } finally {
    await rm(apt, { recursive: true });
  }
});

test("a mirror without sources provides the suite and its updates", () => {
  expect(sourcesOfMirror(" http://own.example/debian/ ")).toHaveLength(2);
});
