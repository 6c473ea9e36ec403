// The bill of materials is valid by CycloneDX's own schema, reproducible, and complete.

import { fileURLToPath } from "node:url";
import { Spec, Validation } from "@cyclonedx/cyclonedx-library";
import fc from "fast-check";
import { expect, test } from "vitest";
import { readLock } from "../../../../image/bundle/lock/lock.ts";
import { licencesOf, spdxId } from "../../../../image/bundle/sbom/licences.ts";
import { npmPackages, packageFolders } from "../../../../image/bundle/sbom/npm.ts";
import { licenceNames, makeSbom, Sbom, type SbomInputs } from "../../../../image/bundle/sbom/sbom.ts";

const project = fileURLToPath(new URL("../../../..", import.meta.url));
const npm = await npmPackages(["node_modules/zod/index.js", "/x/node_modules/@babel/runtime/a/b.js"], project);
const inputs: SbomInputs = {
  board: "nuc",
  version: "1.2.3",
  inputs: "ab".repeat(32),
  lock: await readLock(project, "amd64"),
  relocked: [{ kind: "tool", name: "xz", locked: "5.4.1", taken: "5.6" }],
  licences: { openssl: ["Apache-2.0", "Artistic or GPL-1+"], systemd: ["LGPL-2.1+"] },
  npm,
  programs: [{ name: "agent.mjs", sha256: "cd".repeat(32) }],
};
const sbom = makeSbom(inputs);
const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);

test("the bill is valid by the official schema of CycloneDX 1.6, for both architectures", async () => {
  expect(await validator.validate(JSON.stringify(sbom))).toBeNull();
  const arm64 = makeSbom({ ...inputs, board: "rpi4", lock: await readLock(project, "arm64"), relocked: [] });
  expect(await validator.validate(JSON.stringify(arm64))).toBeNull();
});

test("the official schema refuses an invalid bill", async () => {
  const broken = [
    { ...sbom, serialNumber: "1" },
    { ...sbom, components: [{ type: "thing", name: "x" }] },
    { ...sbom, components: [{ type: "library", name: "x", licenses: [{ license: { id: "No-Such-Licence" } }] }] },
    { ...sbom, unknown: true },
  ];
  for (const one of broken) expect(await validator.validate(JSON.stringify(one))).not.toBeNull();
});

test("the same inputs give the same text, different ones another serial number", () => {
  expect(JSON.stringify(makeSbom(inputs))).toBe(JSON.stringify(sbom));
  expect(makeSbom({ ...inputs, inputs: "00".repeat(32) }).serialNumber).not.toBe(sbom.serialNumber);
  expect(sbom.metadata.timestamp).toBe(new Date(inputs.lock.epochS * 1000).toISOString());
});

test("the bill lists every locked package once, with its digest and its location in Debian", () => {
  const refs = sbom.components.map((one) => one["bom-ref"]);
  expect(new Set(refs).size).toBe(refs.length);
  for (const [name, { version, sha256 }] of Object.entries({ ...inputs.lock.installed, ...inputs.lock.unpacked })) {
    const [found, ...more] = sbom.components.filter((one) => one.name === name && one.purl?.startsWith("pkg:deb/"));
    expect(more).toEqual([]);
    expect(found).toMatchObject({ version, hashes: [{ alg: "SHA-256", content: sha256 }] });
    expect(found?.purl).toMatch(
      /^pkg:deb\/debian\/[A-Za-z0-9%._~-]+@[A-Za-z0-9%._~-]+\?arch=(all|amd64)&distro=bookworm$/,
    );
  }
  const kernel = sbom.components.find((one) => one.name.startsWith("linux-image-"));
  expect(kernel?.type).toBe("operating-system");
});

test("the bill lists npm packages, Node and our own programs, and names tools and relocked packages", () => {
  const named = (name: string) => sbom.components.find((one) => one.name === name);
  expect(named("@babel/runtime")?.purl).toMatch(/^pkg:npm\/%40babel\/runtime@7\./);
  expect(named("zod")?.hashes?.[0]).toMatchObject({
    alg: "SHA-512",
    content: expect.stringMatching(/^[0-9a-f]{128}$/),
  });
  expect(named("node")).toMatchObject({ type: "platform", version: inputs.lock.node.version });
  expect(named("agent.mjs")).toMatchObject({ type: "application", version: "1.2.3" });
  expect(sbom.metadata.tools.components).toContainEqual({ type: "application", name: "erofs-utils", version: "1.5" });
  expect(sbom.metadata.properties).toContainEqual({ name: "hamlet:relocked", value: "tool xz 5.4.1 -> 5.6" });
});

test("a licence keeps its SPDX name or else Debian's; without one, the bill says where to read it", () => {
  const of = (name: string) => licenceNames(sbom.components.find((one) => one.name === name)!);
  expect(of("openssl")).toEqual(["Apache-2.0", "Artistic or GPL-1+"]);
  expect(of("systemd")).toEqual(["LGPL-2.1-or-later"]);
  expect(of("libc6")).toEqual(["see /usr/share/doc/libc6/copyright"]);
  expect(Sbom.parse(JSON.parse(JSON.stringify(sbom))).components).toHaveLength(sbom.components.length);
});

test("only a machine-readable copyright file yields licences", () => {
  const text = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: x
License: Expat

Files: *
Copyright: 2001 A
License: GPL-2+
 This program is free software

Files: lib/*
Copyright: 2002 B
License:  LGPL-2.1+   or   Expat

License: Artistic
 The text of another licence
`;
  expect(licencesOf(text)).toEqual(["Expat", "GPL-2+", "LGPL-2.1+ or Expat"]);
  expect(licencesOf("This package was put together by A. License: GPL-2+")).toEqual([]);
  expect(licencesOf("")).toEqual([]);
});

test.each([
  ["GPL-2+", "GPL-2.0-or-later"],
  ["GPL-2", "GPL-2.0-only"],
  ["LGPL-2.1+", "LGPL-2.1-or-later"],
  ["LGPL-3.0-only", "LGPL-3.0-only"],
  ["Expat", "MIT"],
  ["BSD-3-clause", "BSD-3-Clause"],
  ["GPL-9+", undefined],
  ["GPL", undefined],
  ["GPL-2+ with OpenSSL exception", undefined],
  ["public-domain", undefined],
  ["constructor", undefined],
])("%s is %s to SPDX", (name, id) => expect(spdxId(name)).toBe(id));

test("the bill stays valid for any name of a licence", async () => {
  const name = fc.oneof(
    fc.constantFrom(
      "GPL-1",
      "GPL-1+",
      "GPL-3",
      "LGPL-2",
      "LGPL-2+",
      "LGPL-2.1",
      "LGPL-3+",
      "GFDL-1.1",
      "GFDL-1.2+",
      "GFDL-1.3",
    ),
    fc.constantFrom("0BSD", "BSL-1.0", "CC0", "MPL-2.0", "Unicode-DFS-2016", "zlib", "BSD-4-clause", "ISC", "MIT"),
    fc.string({ minLength: 1 }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(name, { maxLength: 5 }), async (licences) => {
      const small = { ...inputs, lock: { ...inputs.lock, installed: { openssl: inputs.lock.installed["openssl"]! } } };
      const made = makeSbom({ ...small, licences: { openssl: [...new Set(licences)] } });
      expect(await validator.validate(JSON.stringify(made))).toBeNull();
    }),
    { numRuns: 40 },
  );
});

test("files map to their packages, nested ones too; our own files and Node's modules map to none", () => {
  const files = [
    "agent/main.ts",
    "builtin:node:fs",
    "node_modules/a/x.js",
    "node_modules/a/node_modules/@s/b/c/y.js",
    "../z/node_modules/a/w.js",
  ];
  expect(packageFolders(files)).toEqual(["node_modules/a", "node_modules/a/node_modules/@s/b"]);
});

test("a package that is missing from the lock file stops the build", async () => {
  await expect(npmPackages(["node_modules/stranger/x.js"], project)).rejects.toMatchObject({ code: "build.failed" });
});
