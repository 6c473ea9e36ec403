// The structure of the repository: the top-level folders, the direction of imports, and the rules for pure files.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join, normalize } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "..");
const topLevel = [
  ...["agent", "cli", "dashboard", "image", "nix", "ota", "provisioning", "system", "test"],
  ...["package.json", "package-lock.json", "tsconfig.json", "LICENSE", "README.md", "CHANGELOG.md"],
];
/** Each room may import itself and the rooms after it. */
const rooms = ["cli", "dashboard", "agent", "ota", "image", "provisioning", "system"];
/** Composition roots: they may import any room, and nothing imports them. */
const roots = ["agent/main.ts", "ota/updater/main.ts", "ota/fleet/main.ts"];
const impure =
  /^node:(fs|net|dgram|http|http2|https|tls|dns|child_process|cluster|worker_threads|timers|readline|sqlite|os|process)(\/|$)/;
/** The part of `node:net` that reads addresses and opens nothing. */
const addressesOnly = /^import \{ ((isIP|isIPv4|isIPv6|BlockList)(, )?)+ \} from "node:net";$/gm;
const chance =
  /\b(Date\.now\(|Math\.random\(|performance\.now\(|new Date\(\)|setTimeout\(|setInterval\(|setImmediate\(|fetch\(|random(Bytes|UUID|Int)\(|getRandomValues\(|process\.(?!platform\b))/;

const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], { cwd: root })
  .toString()
  .trim()
  .split("\n")
  .filter((file) => existsSync(join(root, file)));
const sources = files.filter((file) => /\.tsx?$/.test(file) && !file.endsWith(".d.ts"));
const textOf = new Map(sources.map((file) => [file, readFileSync(join(root, file), "utf8")]));
const importsOf = new Map(sources.map((file) => [file, specifiers(textOf.get(file)!)]));

/** Every module that a file imports or re-exports, including type and dynamic imports. */
function specifiers(text: string): string[] {
  const statements = text.matchAll(
    /^(?:import\s+(?:[^;'"=]*?\sfrom\s+)?|export\s+(?:type\s+)?[{*][^;'"=]*?\sfrom\s+)["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']/gm,
  );
  return [...statements].map(([, named, dynamic]) => named ?? dynamic ?? "");
}

/** The text without comments, which may mention what the code must not do. */
const codeOf = (text: string): string => text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");

const targetsOf = (file: string): string[] =>
  importsOf
    .get(file)!
    .filter((specifier) => specifier.startsWith("."))
    .map((specifier) => normalize(join(dirname(file), specifier)));

const roomOf = (file: string): string => file.split("/")[0]!;

function mayImport(file: string, target: string): boolean {
  const [from, to] = [rooms.indexOf(roomOf(file)), rooms.indexOf(roomOf(target))];
  if (from === -1 || roots.includes(file)) return true;
  return to === -1 ? roomOf(target) !== "test" : to >= from;
}

test("the checks below catch violations", () => {
  const text = [
    'import "./a.ts";',
    'import { type B, b } from "./b.ts";',
    'import type {\n  C,\n} from "./c.ts";',
    'export type { D } from "./d.ts";',
    `const e = await ${"import"}("./e.ts");`,
    'export const f = join("./f.ts"); // from "./f.ts"',
  ].join("\n");
  expect(specifiers(text)).toEqual(["./a.ts", "./b.ts", "./c.ts", "./d.ts", "./e.ts"]);
  expect(mayImport("system/clock.ts", "agent/config.ts")).toBe(false);
  expect(mayImport("agent/api/server.ts", "test/lacks.ts")).toBe(false);
  expect(mayImport("image/boards.ts", "nix/boards.json")).toBe(true);
  expect(mayImport("agent/api/server.ts", "ota/fleet/topics.ts")).toBe(true);
  expect(mayImport("ota/fleet/main.ts", "agent/config.ts")).toBe(true);
});

test("the top level holds the rooms, the papers and dotfiles, nothing else", () => {
  const entries = new Set(files.map(roomOf).filter((entry) => !entry.startsWith(".")));
  expect([...entries].filter((entry) => !topLevel.includes(entry))).toEqual([]);
});

test("imports run one way: cli, dashboard, agent, ota, image, provisioning, system", () => {
  const wrong = sources.flatMap((file) =>
    targetsOf(file)
      .filter((target) => !mayImport(file, target))
      .map((target) => `${file} -> ${target}`),
  );
  expect(wrong).toEqual([]);
});

test("nothing imports a composition root", () => {
  const wrong = sources.filter((file) => targetsOf(file).some((target) => roots.includes(target)));
  expect(wrong).toEqual([]);
});

test("every import names an existing file, extension included", () => {
  const wrong = sources.flatMap((file) =>
    targetsOf(file)
      .filter((target) => !existsSync(join(root, target)) || !/\.\w+$/.test(target))
      .map((target) => `${file} -> ${target}`),
  );
  expect(wrong).toEqual([]);
});

test("no import cycles", () => {
  const state = new Map<string, "open" | "done">();
  const circles: string[] = [];
  const visit = (file: string, path: string[]): void => {
    if (state.get(file) === "open") circles.push([...path.slice(path.indexOf(file)), file].join(" -> "));
    if (state.has(file)) return;
    state.set(file, "open");
    for (const target of targetsOf(file)) if (importsOf.has(target)) visit(target, [...path, file]);
    state.set(file, "done");
  };
  for (const file of sources) visit(file, []);
  expect(circles).toEqual([]);
});

test("no two folders of agent/ import each other", () => {
  const folderOf = (file: string) => /^agent\/([^/]+)\//.exec(file)?.[1];
  const arrows = new Set<string>();
  for (const file of sources) {
    const from = folderOf(file);
    if (from === undefined) continue;
    for (const target of targetsOf(file)) {
      const to = folderOf(target);
      if (to !== undefined && to !== from) arrows.add(`${from} -> ${to}`);
    }
  }
  expect(arrows).toContain("discovery -> membership");
  expect([...arrows].filter((arrow) => arrows.has(arrow.split(" -> ").reverse().join(" -> ")))).toEqual([]);
});

test("programs are started by two files of system, and by tests", () => {
  const starters = sources.filter((file) => importsOf.get(file)!.some((name) => /^(node:)?child_process$/.test(name)));
  expect(starters.filter((file) => roomOf(file) !== "test").sort()).toEqual(["system/command.ts", "system/program.ts"]);
});

test("no barrels", () => {
  expect(sources.filter((file) => /^index\.tsx?$/.test(basename(file)))).toEqual([]);
});

/** A file's opening comment. */
const openingOf = (text: string): string => /^(?:#!.*\n)?((?:\/\/.*\n)*)/.exec(text)?.[1] ?? "";
const claimsPurity = (text: string): boolean => /\bpure\b/i.test(openingOf(text));

test("a file claims purity anywhere in its opening comment; a comment on a function makes no such claim", () => {
  for (const opening of [
    "// Pure.\n",
    "// What is due. Pure: text in, text out.\n",
    "// One.\n// Two, pure and small.\n",
  ])
    expect(claimsPurity(`${opening}import "./a.ts";\n`)).toBe(true);
  expect(claimsPurity('// One.\nimport "./a.ts";\n/** Pure: the same in, the same out. */\n')).toBe(false);
  for (const call of [
    "Date.now()",
    "new Date()",
    "Math.random()",
    "setTimeout(act, 5)",
    "process.env",
    "randomBytes(4)",
    "fetch(url)",
  ])
    expect(chance.test(`const one = ${call};`)).toBe(true);
  expect(chance.test("const day = new Date(at).toISOString();")).toBe(false);
});

const pureFiles = sources.filter((file) => rooms.includes(roomOf(file)) && claimsPurity(textOf.get(file)!));

test("a file that calls itself pure does no I/O and uses neither clock nor randomness", () => {
  expect(pureFiles.length).toBeGreaterThan(45);
  expect(pureFiles).toEqual(
    expect.arrayContaining([
      "agent/cluster/swim.ts",
      "agent/telemetry/proc.ts",
      "image/bundle/sbom/sbom.ts",
      "provisioning/trust/judge.ts",
    ]),
  );
  const wrong = pureFiles.flatMap((file) => [
    ...specifiers(textOf.get(file)!.replaceAll(addressesOnly, ""))
      .filter((name) => impure.test(name))
      .map((name) => `${file} imports ${name}`),
    ...(chance.exec(codeOf(textOf.get(file)!)) ?? []).slice(0, 1).map((call) => `${file} calls ${call}`),
  ]);
  expect(wrong).toEqual([]);
});

test("the step of membership is pure, with all that it imports from its folder", () => {
  const folder = "agent/membership/";
  const reached = new Set([`${folder}step.ts`]);
  for (const file of reached) {
    for (const target of targetsOf(file)) if (target.startsWith(folder)) reached.add(target);
  }
  expect([...reached]).toEqual(
    expect.arrayContaining(["records", "names", "pending"].map((name) => `${folder}${name}.ts`)),
  );
  expect([...reached].filter((file) => !claimsPurity(textOf.get(file)!))).toEqual([]);
});

test("pure files in agent/cluster import only pure files", () => {
  const isPure = (file: string) => claimsPurity(textOf.get(file) ?? "");
  const pure = pureFiles.filter((file) => file.startsWith("agent/cluster/"));
  expect(pure.flatMap(targetsOf).filter((target) => !isPure(target))).toEqual([]);
});

test("a test names every error and warning code", () => {
  const codesIn = (file: string, type: string) => {
    const union = new RegExp(`type ${type} =([^;]*);`).exec(textOf.get(file)!)?.[1] ?? "";
    return [...union.matchAll(/"([^"]+)"/g)].map(([, code]) => code!);
  };
  const codes = [
    ...codesIn("system/error.ts", "ErrorCode"),
    ...codesIn("agent/health/warning-codes.ts", "WarningCode"),
    ...[...textOf.get("provisioning/trust/refusal.ts")!.matchAll(/^ {2}"(\w+)",$/gm)].map(([, code]) => code!),
  ];
  expect(codes).toEqual(expect.arrayContaining(["file.full", "member.dead", "tokenForged"]));
  // Regular expressions escape the dot.
  const tests = sources
    .filter((file) => file.startsWith("test/"))
    .map((file) => textOf.get(file)!.replaceAll("\\.", "."));
  expect(codes.filter((code) => !tests.some((text) => text.includes(code)))).toEqual([]);
});
