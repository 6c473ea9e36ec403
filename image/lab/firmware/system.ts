// Loads the files that a boot partition's config.txt names: kernel, initrd, device tree and command line.
import { gunzipSync } from "node:zlib";
import { type Conditions, readSettings, type Settings } from "./config.ts";
import { type Files, refuse } from "./files.ts";

/** Limit of config.txt with its includes; people write a few kilobytes. */
export const maxTextBytes = 256 << 10;
/** Limit of all initrds together, as they must fit into a board's memory. */
const maxInitrdBytes = 512 << 20;
/** Debian's has 30 MiB unpacked. */
const maxKernelBytes = 256 << 20;

type System = { kernel: Buffer; initrd?: Buffer; deviceTree: Buffer; commandLine: string; prefix: string };

/** Loads the files named by `config` (config.txt or tryboot.txt) of the chosen partition. */
export async function loadSystem(files: Files, config: string, on: Conditions, modelTrees: string[]): Promise<System> {
  const textOf = async (path: string) => (await files.read(path, maxTextBytes))?.toString("latin1");
  const settings = await readSettings((await textOf(config)) ?? "", on, textOf);
  const where = `partition ${files.number}`;
  const kernelName = settings.values.get("kernel") ?? (is64Bit(settings, on) ? "kernel8.img" : "kernel7.img");
  const isUpstream = /^[1y]/.test(settings.values.get("upstream_kernel") ?? "");
  const treeNames = treesOf(settings, modelTrees, isUpstream);
  // Ignore a prefix unless both kernel and device tree exist under it.
  const asked = settings.values.get("os_prefix") ?? (isUpstream ? "upstream/" : "");
  const under = (prefix: string, name: string) => (name.startsWith("/") ? name.slice(1) : `${prefix}${name}`);
  const firstOf = async (prefix: string) => {
    for (const name of treeNames) {
      const tree = await files.read(under(prefix, name));
      if (tree) return tree;
    }
    return undefined;
  };
  const isViable = asked !== "" && (await files.has(under(asked, kernelName))) && (await firstOf(asked)) !== undefined;
  const prefix = isViable ? asked : "";
  const kernel = await files.read(under(prefix, kernelName));
  if (!kernel) throw refuse(`${where} has no kernel ${kernelName}`, `named by ${config}, or the default without it`);
  const deviceTree = await firstOf(prefix);
  if (!deviceTree) throw refuse(`${where} has no device tree ${treeNames.join(" or ")}`);
  const initrd = await readInitrd(settings, (name) => files.read(under(prefix, name)));
  const commandLine = await textOf(under(prefix, settings.values.get("cmdline") ?? "cmdline.txt"));
  return {
    kernel: unpacked(kernel, kernelName),
    ...(initrd && { initrd }),
    deviceTree,
    commandLine: (commandLine ?? "").split(/\r?\n/)[0]!.trim(),
    prefix,
  };
}

const is64Bit = ({ values }: Settings, { models: names }: Conditions): boolean =>
  (values.get("arm_64bit") ?? (names.includes("pi3") ? "0" : "1")) !== "0";

function treesOf({ values }: Settings, modelTrees: string[], isUpstream: boolean): string[] {
  const named = values.get("device_tree");
  if (named === "") throw refuse("config.txt turns off the device tree, but Linux needs one");
  return named ? [named] : isUpstream ? modelTrees.toReversed() : modelTrees;
}

/** Concatenates several files; skips missing ones, as the firmware does. */
async function readInitrd(
  { values }: Settings,
  read: (name: string) => Promise<Buffer | undefined>,
): Promise<Buffer | undefined> {
  const names = (values.get("initramfs")?.split(/\s+/)[0] ?? values.get("ramfsfile") ?? "").split(",").filter(Boolean);
  const present: Buffer[] = [];
  for (const name of names) {
    const found = await read(name);
    if (found) present.push(found);
    // The same file may be named many times.
    if (present.reduce((sum, { length }) => sum + length, 0) > maxInitrdBytes)
      throw refuse(`the initrd has more than ${maxInitrdBytes} bytes`);
  }
  return present.length > 0 ? Buffer.concat(present) : undefined;
}

/** The firmware unpacks a gzipped kernel. */
function unpacked(kernel: Buffer, name: string): Buffer {
  if (kernel.length < 2 || kernel.readUInt16BE(0) !== 0x1f8b) return kernel;
  try {
    return gunzipSync(kernel, { maxOutputLength: maxKernelBytes });
  } catch {
    throw refuse(`the kernel ${name} is a damaged gzip archive, or unpacks to more than ${maxKernelBytes} bytes`);
  }
}
