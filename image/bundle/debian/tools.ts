// Versions of this computer's programs whose output goes into an image. Another version may write other bytes from the same
// input: erofs-utils 1.5 and 1.8 do.
import type { Argv, Run } from "../../../system/command.ts";
import { HamletError } from "../../../system/error.ts";

const tools: [name: string, argv: Argv, version: RegExp][] = [
  ["apt", ["apt-get", "--version"], /^apt (\S+)/],
  ["cryptsetup", ["/sbin/veritysetup", "--version"], /^veritysetup (\S+)/],
  ["dosfstools", ["/sbin/fatlabel", "--version"], /^fatlabel (\S+)/],
  ["e2fsprogs", ["/sbin/mke2fs", "-V"], /^mke2fs (\S+)/],
  ["erofs-utils", ["fsck.erofs", "-V"], /^fsck\.erofs (\S+)/],
  ["kmod", ["/sbin/depmod", "--version"], /^kmod version (\S+)/],
  ["mmdebstrap", ["mmdebstrap", "--version"], /^mmdebstrap (\S+)/],
  ["mtools", ["mcopy", "--version"], /\(GNU mtools\) (\S+)/],
  ["xz", ["xz", "--version"], /^xz \(XZ Utils\) (\S+)/],
];

/** Versions by package. Throws `command.missing` if one is not installed. */
export async function toolVersions(run: Run): Promise<Record<string, string>> {
  const told = await Promise.all(
    tools.map(async ([name, argv, version]) => {
      const lines: string[] = [];
      // mke2fs prints its version on stderr.
      const text = await run(argv, { onStderrLine: (line) => lines.push(line) });
      const found = version.exec([text, ...lines].find((one) => version.test(one)) ?? "")?.[1];
      if (!found) throw new HamletError("build.failed", `${argv[0]} did not print its version`);
      return [name, found] as const;
    }),
  );
  return Object.fromEntries(told);
}
