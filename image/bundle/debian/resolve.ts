// Resolves the dependencies of the requested packages, at the mirror's current versions. apt decides, in a folder of its own
// and for any architecture, from indexes whose signatures it has checked. No program of another architecture runs.
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Run } from "../../../system/command.ts";
import { HamletError } from "../../../system/error.ts";
import { type Asked, type Lock, LockedPackage } from "../lock/lock.ts";
import { authConf, type Source } from "./sources.ts";

const debianKeys = "/usr/share/keyrings/debian-archive-keyring.gpg";
const aptDeadlineMs = 10 * 60_000;

export async function resolvePackages(
  architecture: string,
  asked: Asked,
  sources: Source[],
  run: Run,
): Promise<Pick<Lock, "installed" | "unpacked">> {
  const root = await mkdtemp(join(tmpdir(), "hamlet-apt-"));
  try {
    const env = { APT_CONFIG: await makeAptRoot(root, architecture, sources) };
    const apt = (...argv: [string, ...string[]]) => run(argv, { env, timeoutMs: aptDeadlineMs });
    await apt("apt-get", "-q", "update");
    const planned = await apt("apt-get", "-q", "--simulate", "install", "?essential", "apt", ...asked.installed);
    const exact = [...planned.matchAll(/^Inst (\S+) \((\S+) /gm)].map(([, name, version]) => `${name}=${version}`);
    const installed = parsePackages(await apt("apt-cache", "show", ...exact));
    const named = parsePackages(await apt("apt-cache", "--no-all-versions", "show", ...asked.unpacked));
    // The kernel's package has its version in the name; the requested meta package depends on it.
    const kernels = named.flatMap(({ depends }) => /\blinux-image-[0-9][^\s,(]*/.exec(depends)?.[0] ?? []);
    const found = parsePackages(await apt("apt-cache", "--no-all-versions", "show", ...kernels));
    const unpacked = [...named.filter(({ name }) => !/^linux-image-[a-z]/.test(name)), ...found];
    return { installed: byName(installed), unpacked: byName(unpacked) };
  } catch (cause) {
    throw new HamletError("build.failed", "apt cannot resolve the packages", {
      cause,
      hint: "the cause names the package or the mirror; a mirror of your own goes into HAMLET_DEBIAN_MIRROR",
    });
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

/** Makes a folder in which apt knows only these sources and no installed package; returns the path of its configuration. */
async function makeAptRoot(root: string, architecture: string, sources: Source[]): Promise<string> {
  const folders = ["etc/apt/apt.conf.d", "etc/apt/preferences.d", "etc/apt/sources.list.d", "etc/apt/trusted.gpg.d"];
  folders.push("var/lib/apt/lists/partial", "var/cache/apt/archives/partial", "var/lib/dpkg");
  for (const name of folders) await mkdir(join(root, name), { recursive: true });
  // The keys that this computer trusts, and Debian's own, which other distributions keep elsewhere.
  const keys = (await readdir("/etc/apt/trusted.gpg.d").catch((): string[] => [])).map((name) => [
    name,
    join("/etc/apt/trusted.gpg.d", name),
  ]);
  for (const [name = "", path = ""] of [...keys, ["hamlet-debian.gpg", debianKeys]]) {
    await symlink(path, join(root, "etc/apt/trusted.gpg.d", name));
  }
  await writeFile(join(root, "etc/apt/sources.list"), sources.map(({ line }) => `${line}\n`).join(""));
  await writeFile(join(root, "etc/apt/auth.conf"), authConf(sources), { mode: 0o600 });
  await writeFile(join(root, "var/lib/dpkg/status"), "");
  const settings = [
    `Dir "${root}/"`,
    `Dir::State::status "${root}/var/lib/dpkg/status"`,
    `APT::Architecture "${architecture}"`,
    `APT::Architectures { "${architecture}"; }`,
    'APT::Install-Recommends "false"',
    'APT::Sandbox::User "root"',
    'Acquire::Languages "none"',
    'Acquire::Retries "3"',
  ];
  const path = join(root, "apt.conf");
  await writeFile(path, settings.map((setting) => `${setting};\n`).join(""));
  return path;
}

type Found = LockedPackage & { name: string; depends: string };

/** Stanzas of a Packages index, as `apt-cache show` prints them. Throws `build.failed` if a field is missing. */
export function parsePackages(text: string): Found[] {
  return text
    .split(/\n\s*\n/)
    .filter((stanza) => stanza.trim() !== "")
    .map((stanza) => {
      const field = (name: string) => new RegExp(`^${name}: *(.*)$`, "m").exec(stanza)?.[1]?.trim() ?? "";
      const name = field("Package");
      const parsed = LockedPackage.safeParse({
        version: field("Version"),
        architecture: field("Architecture"),
        sizeBytes: Number(field("Size")),
        sha256: field("SHA256"),
        path: field("Filename").replace(/^\.?\//, ""),
      });
      if (!parsed.success || !name) {
        throw new HamletError("build.failed", `the mirror's index has an incomplete entry: '${name}'`);
      }
      return { name, depends: field("Depends"), ...parsed.data };
    });
}

const byName = (packages: Found[]): Record<string, LockedPackage> =>
  Object.fromEntries(
    packages.map(({ name, depends: _, ...locked }) => [name, locked] as const).sort(([a], [b]) => (a < b ? -1 : 1)),
  );
