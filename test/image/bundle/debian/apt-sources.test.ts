import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { aptSources } from "../../../../image/bundle/debian/apt-sources.ts";
import { debianSources, sourcesOfHost } from "../../../../image/bundle/debian/mirror.ts";
import { lacks } from "../../../lacks.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-apt-sources-"));
  await mkdir(join(folder, "lists"));
  await writeFile(join(folder, "main.list"), "");
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const host = "http://127.0.0.1:9";
/** The indexes of binary packages that apt would fetch, or undefined if it refuses the files. */
async function aptReads(files: [string, string][]): Promise<string[] | undefined> {
  const parts = join(folder, "parts");
  await rm(parts, { recursive: true, force: true });
  await mkdir(parts);
  for (const [name, text] of files) await writeFile(join(parts, name), text);
  const settings = [`Dir::Etc::sourcelist=${join(folder, "main.list")}`, `Dir::Etc::sourceparts=${parts}`];
  settings.push(`Dir::State::lists=${join(folder, "lists")}`, "APT::Architecture=amd64", "APT::Architectures=amd64");
  const argv = [...settings.flatMap((setting) => ["-o", setting]), "update", "--print-uris"];
  const env = { ...process.env, LC_ALL: "C" };
  const printed = await promisify(execFile)("apt-get", argv, { env }).catch(() => undefined);
  const found = printed?.stdout.matchAll(/^'(\S+)\/dists\/(\S+)\/main\/binary-amd64\//gm);
  return found && [...new Set([...found].map(([, url, suite]) => `${url}/ ${suite}`))].sort();
}
const weRead = (files: [string, string][]): string[] => {
  const sources = aptSources(files).filter(({ components }) => components.includes("main"));
  return [...new Set(sources.map(({ url, suite }) => `${url.replace(/\/*$/, "")}/ ${suite}`))].sort();
};

const enabled = fc.constantFrom(
  ...["yes", "no", "No", "NO", "false", "False", "FALSE", "0", "00", "0x0", "+0", "-0", "1", "2", "off", "Off", "on"],
  ...[
    "disable",
    "disabled",
    "without",
    "with",
    "never",
    "true",
    "n",
    "f",
    "",
    "no # for now",
    "no yes",
    "\n no",
    " no ",
  ],
);
const cased = (name: string) => fc.constantFrom(name, name.toLowerCase(), name.toUpperCase());
const field = (name: string, value: fc.Arbitrary<string>, colon = fc.constantFrom(": ", ":", " : ", ":\t")) =>
  fc.tuple(cased(name), colon, value).map(([label, between, text]) => `${label}${between}${text}`);
const several = (...values: string[]) =>
  fc
    .tuple(fc.subarray(values, { minLength: 1 }), fc.constantFrom(" ", "  ", "\t", "\n ", "\n# in between\n  "))
    .map(([chosen, between]) => chosen.join(between));
const stanza = fc
  .tuple(
    field("Types", fc.constantFrom("deb", "deb deb-src", "deb-src", "deb-src deb")),
    field("URIs", several(`${host}/debian`, `${host}/two/`, `${host}/three`)),
    field("Suites", several("bookworm", "bookworm-updates", "bookworm-security")),
    field("Components", several("main", "contrib", "non-free-firmware")),
    fc.array(fc.oneof(field("Enabled", enabled), fc.constantFrom("# Enabled: no", "#", "Trusted: yes")), {
      maxLength: 2,
    }),
    fc.boolean(),
  )
  .map(([types, uris, suites, components, more, isFirst]) => {
    const lines = [types, uris, suites, components];
    return (isFirst ? [...more, ...lines] : [...lines, ...more]).join("\n");
  });
const blankLine = fc.constantFrom("\n\n", "\n\n\n", "\n# between\n\n", "\n\n# a comment\n", "\n \n");
const sourcesFile = fc
  .tuple(fc.array(fc.tuple(stanza, blankLine), { minLength: 1, maxLength: 3 }), fc.constantFrom("\n", "\r\n"))
  .map(([stanzas, end]) => stanzas.flat().join("").replaceAll("\n", end));
const listLine = fc
  .tuple(
    fc.constantFrom("deb", "  deb", "\tdeb", "# deb", "#deb", " # deb", "deb-src"),
    fc.constantFrom("", "[arch=amd64]", "[ arch=amd64 trusted=yes ]", "[ ]", "[check-valid-until=no]"),
    fc.constantFrom(`${host}/debian`, `"${host}/two"`, `${host}/three/`),
    fc.constantFrom("bookworm", "bookworm-updates", '"bookworm-security"'),
    fc.constantFrom("main", "main contrib", "contrib", "contrib main # main", "main#", "main # off"),
    fc.constantFrom(" ", "\t", "  "),
  )
  .map(([type, options, url, suite, rest, gap]) => [type, ...(options ? [options] : []), url, suite, rest].join(gap));
const listFile = fc
  .tuple(
    fc.array(fc.oneof(listLine, fc.constantFrom("", "   ", "# a comment")), { maxLength: 4 }),
    fc.constantFrom("\n", "\r\n"),
  )
  .map(([lines, end]) => lines.map((line) => line + end).join(""));
const suffix = fc.constantFrom("", "~", ".disabled", ".save", ".bak");
const files = fc
  .array(
    fc.oneof(
      fc.tuple(
        fc.constantFrom("a", "b-1_2.x", "my file", "Küche", ".hidden", "c+d"),
        fc.constant(".sources"),
        suffix,
        sourcesFile,
      ),
      fc.tuple(fc.constantFrom("a", "b", "my file", ".hidden"), fc.constant(".list"), suffix, listFile),
    ),
    { minLength: 1, maxLength: 3 },
  )
  .map((all) => all.map(([name, end, more, text]): [string, string] => [`${name}${end}${more}`, text]))
  .map((all) => [...new Map(all)]);

test.skipIf(lacks("apt-get"))("apt-enabled-false: a build uses the mirrors that apt itself would use", async () => {
  let compared = 0;
  await fc.assert(
    fc.asyncProperty(files, async (all) => {
      const theirs = await aptReads(all);
      // If apt refuses a file, it refuses all of them, and the computer has no working sources.
      if (theirs === undefined) return;
      compared += 1;
      expect(weRead(all)).toEqual(theirs);
    }),
    { numRuns: 150 },
  );
  expect(compared).toBeGreaterThan(75);
});

test.each(["no", "No", "False", "false", "0", "off", "disable", "without", "0x0", "\n no"])(
  "apt-enabled-false: 'Enabled: %s' disables a stanza",
  (value) => {
    const text = `Types: deb\nURIs: ${host}/debian\nSuites: bookworm\nComponents: main\nEnabled: ${value}\n`;
    expect(sourcesOfHost([["old.sources", text]])).toEqual([]);
  },
);

test("apt-enabled-false: a source keeps the options that decide whether an index is trusted, in both formats", () => {
  const both = "main non-free-firmware";
  const text = `Types: deb
URIs: ${host}/snapshot
Suites: bookworm
Components: main
Check-Valid-Until: no
Trusted: yes
Signed-By: /k.gpg /l.gpg
Architectures: i386
`;
  expect(sourcesOfHost([["a.sources", text]])).toEqual([
    `deb [signed-by=/k.gpg,/l.gpg trusted=yes check-valid-until=no] ${host}/snapshot bookworm ${both}`,
  ]);
  const list = `deb [arch=i386 check-valid-until=no lang=none] ${host}/snapshot bookworm main\n`;
  expect(sourcesOfHost([["a.list", list]])).toEqual([`deb [check-valid-until=no] ${host}/snapshot bookworm ${both}`]);
});

test("apt-enabled-false: discs and files that apt skips are not mirrors", async () => {
  expect(aptSources([["a.list", "deb cdrom:[Debian]/ bookworm main\n"]])).toEqual([]);
  const apt = join(folder, "etc");
  await mkdir(join(apt, "sources.list.d"), { recursive: true });
  for (const name of ["my copy.list", "a.list.save", ".b.list"])
    await writeFile(join(apt, "sources.list.d", name), `deb ${host}/debian bookworm main\n`);
  expect(await debianSources({}, apt)).toEqual([]);
});
