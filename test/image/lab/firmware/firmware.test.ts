import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { readFdt } from "../../../../image/lab/firmware/fdt.ts";
import { planBoot } from "../../../../image/lab/firmware/firmware.ts";
import { type FileTree, makeCard } from "../../card/card.ts";
import { autobootFiles, bootFiles, rpi, smallTree } from "./board.ts";

const autoboot = "[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n";
const boards = ["rpi3", "rpi4", "rpi5"];
const normal = { tryboot: false };
const tryboot = { tryboot: true };
const refusal = (text: string) =>
  expect.objectContaining({ code: "lab.firmwareRefused", message: expect.stringContaining(text) });

function card(name: string, { first = autoboot, a = {}, b = {} }: { first?: string; a?: FileTree; b?: FileTree } = {}) {
  const board = rpi(name);
  return makeCard({
    autoboot: autobootFiles(board, first),
    bootA: bootFiles(board, "a", a),
    bootB: bootFiles(board, "b", b),
  });
}
const without = (name: string, slot: "a" | "b", ...missing: string[]) =>
  Object.fromEntries(Object.entries(bootFiles(rpi(name), slot)).filter(([file]) => !missing.includes(file)));

test.each(boards)("%s starts the slot that autoboot.txt names, and the other one for a trial", async (name) => {
  const { readAt } = card(name);
  const one = await planBoot(readAt, rpi(name), normal);
  expect([one.slotPartition, one.isTryboot, one.commandLine]).toEqual([2, false, "quiet hamlet.slot=a"]);
  expect([one.kernel.toString(), one.initrd?.toString()]).toEqual(["kernel of a", "initrd of a"]);
  const other = await planBoot(readAt, rpi(name), tryboot);
  expect([other.slotPartition, other.isTryboot, other.commandLine]).toEqual([3, true, "quiet hamlet.slot=b"]);
  expect([other.kernel.toString(), other.initrd?.toString()]).toEqual(["kernel of b", "initrd of b"]);
});

test("the device tree names the started partition and says whether it is a trial", async () => {
  const plan = await planBoot(card("rpi4").readAt, rpi("rpi4"), { tryboot: true, serial: "10000000deadbeef" });
  const { root } = readFdt(plan.deviceTree);
  const chosen = root.children.find(({ name }) => name === "chosen")!;
  const bootloader = chosen.children.find(({ name }) => name === "bootloader")!;
  const word = (name: string) => bootloader.properties.get(name)?.readUInt32BE();
  expect([word("partition"), word("tryboot"), word("boot-mode")]).toEqual([3, 1, 1]);
  expect(word("build-timestamp")).toBeGreaterThan(Date.UTC(2022, 9, 18) / 1000);
  expect(root.properties.get("serial-number")?.toString()).toBe("10000000deadbeef\0");
  expect(root.properties.get("model")?.toString()).toBe("bcm2711-rpi-4-b.dtb\0");
});

test("a partition number in the reboot argument outranks autoboot.txt", async () => {
  const plan = await planBoot(card("rpi4").readAt, rpi("rpi4"), { tryboot: false, partition: 3 });
  expect(plan.slotPartition).toBe(3);
});

test.each([
  "",
  "garbage \u0001\u0002",
  "[tryboot]\nboot_partition=3\n",
  "boot_partition=0",
  `${"#".repeat(512)}\n[all]\nboot_partition=3\n`,
])("the first bootable partition is started if autoboot.txt's first 512 bytes name none (%j)", async (first) => {
  expect((await planBoot(card("rpi4", { first }).readAt, rpi("rpi4"), normal)).slotPartition).toBe(2);
});

test("the first bootable partition is the first one with firmware", async () => {
  const board = rpi("rpi4");
  const { readAt } = makeCard({
    autoboot: autobootFiles(board, ""),
    bootA: without("rpi4", "a", "start4.elf"),
    bootB: bootFiles(board, "b"),
  });
  expect((await planBoot(readAt, board, normal)).slotPartition).toBe(3);
});

test("without tryboot_a_b a trial reads tryboot.txt instead of config.txt", async () => {
  const first = "[all]\nboot_partition=2\n[tryboot]\nboot_partition=3\n";
  const { readAt } = card("rpi4", { first, b: { "tryboot.txt": "kernel=other\n", other: "another kernel" } });
  expect((await planBoot(readAt, rpi("rpi4"), tryboot)).kernel.toString()).toBe("another kernel");
});

test.each([
  ["rpi3", "bootcode.bin", /^bootcode\.bin$/],
  ["rpi3", "start.elf", /^start\.elf$/],
  ["rpi4", "start4.elf", /^start4\.elf$/],
  ["rpi5", "config.txt", /^config\.txt$/],
  ["rpi4", "no kernel kernel", /^kernel$/],
  ["rpi3", "no device tree bcm2837-rpi-3-b.dtb", /\.dtb$/],
])("%s refuses as the real one would and names %s", async (name, told, missing) => {
  const board = rpi(name);
  const less = (files: FileTree) => Object.fromEntries(Object.entries(files).filter(([file]) => !missing.test(file)));
  const { readAt } = makeCard({
    autoboot: less(autobootFiles(board, autoboot)),
    bootA: less(bootFiles(board, "a")),
    bootB: less(bootFiles(board, "b")),
  });
  await expect(planBoot(readAt, board, normal)).rejects.toEqual(refusal(told));
});

test("if the requested slot has no firmware, no other slot is started", async () => {
  const board = rpi("rpi4");
  const { readAt } = makeCard({
    autoboot: autobootFiles(board, autoboot),
    bootA: bootFiles(board, "a"),
    bootB: without("rpi4", "b", "start4.elf"),
  });
  await expect(planBoot(readAt, board, tryboot)).rejects.toEqual(refusal("partition 3"));
});

test("os_prefix is used where kernel and device tree are both under it, and ignored otherwise", async () => {
  const config = (kernel: string) => `arm_64bit=1\nos_prefix=new/\nkernel=${kernel}\ndevice_tree=tree.dtb\n`;
  const files = { "tree.dtb": smallTree(), "new/tree.dtb": smallTree("new"), "new/linux": "new kernel" };
  const commandLines = { "new/cmdline.txt": "prefixed\n" };
  const viable = card("rpi4", { a: { ...files, ...commandLines, "config.txt": config("linux") } });
  const plan = await planBoot(viable.readAt, rpi("rpi4"), normal);
  expect([plan.kernel.toString(), plan.commandLine]).toEqual(["new kernel", "prefixed"]);
  const not = card("rpi4", { a: { ...files, ...commandLines, "config.txt": config("kernel") } });
  const ignored = await planBoot(not.readAt, rpi("rpi4"), normal);
  expect([ignored.kernel.toString(), ignored.commandLine]).toEqual(["kernel of a", "quiet hamlet.slot=a"]);
  const absolute = card("rpi4", { a: { ...files, "config.txt": config("/kernel") } });
  expect((await planBoot(absolute.readAt, rpi("rpi4"), normal)).kernel.toString()).toBe("kernel of a");
});

test("upstream_kernel prefers the names of kernel.org", async () => {
  const both = { "bcm2710-rpi-3-b.dtb": smallTree("downstream"), "bcm2837-rpi-3-b.dtb": smallTree("upstream") };
  const modelWith = async (line: string) => {
    const a = { ...both, "config.txt": `arm_64bit=1\nkernel=kernel\n${line}\n` };
    const plan = await planBoot(card("rpi3", { a }).readAt, rpi("rpi3"), normal);
    return readFdt(plan.deviceTree).root.properties.get("model")?.toString();
  };
  expect(await modelWith("upstream_kernel=1")).toBe("upstream\0");
  expect(await modelWith("")).toBe("downstream\0");
});

test("a compressed kernel is unpacked, a damaged one is refused, and several initrds are concatenated", async () => {
  const config = "kernel=kernel\ninitramfs one,missing,two followkernel\n";
  const a = { kernel: gzipSync("unpacked"), one: "1", two: "2", "config.txt": config };
  const plan = await planBoot(card("rpi4", { a }).readAt, rpi("rpi4"), normal);
  expect([plan.kernel.toString(), plan.initrd?.toString()]).toEqual(["unpacked", "12"]);
  const damaged = card("rpi4", { a: { ...a, kernel: gzipSync("unpacked").subarray(0, 12) } });
  await expect(planBoot(damaged.readAt, rpi("rpi4"), normal)).rejects.toEqual(refusal("damaged"));
});

test("any card gives a plan or a coded error", async () => {
  const { bytes } = card("rpi3");
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { maxLength: 40 }), async (changes) => {
      const broken = Buffer.from(bytes);
      for (const [at, value] of changes) broken[at] = value;
      const readAt = async (offset: number, length: number) => broken.subarray(offset, offset + length);
      await planBoot(readAt, rpi("rpi3"), tryboot).catch((error) => expect(error.code).toBe("lab.firmwareRefused"));
    }),
    { numRuns: 200 },
  );
});
