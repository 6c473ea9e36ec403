// Runs the initrd's own code with a list of modules: which drivers it loads before it looks for the disk, and which if the disk
// is not there.
import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { moduleName } from "../../../../image/bundle/debian/modules.ts";
import { initrdModules } from "../../../../image/bundle/debian/packages.ts";

async function loaded(rounds: number): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-initrd-"));
  try {
    const init = await readFile("image/bundle/initrd/init", "utf8");
    const [words = ""] = /^exec 3<[\s\S]*?^\}$/m.exec(init) ?? [];
    const order = join(folder, "order");
    await writeFile(order, initrdModules.map((name) => `${moduleName(name)}.ko\n`).join(""));
    const script = `insmod() { echo "\${1#/modules/}"; }\n${words.replace("/modules/order", order)}\n${"load_drivers\n".repeat(rounds)}`;
    return execFileSync("sh", ["-c", `${script} :`], { encoding: "utf8" })
      .trim()
      .split("\n");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test("the initrd looks for its disk as soon as a driver may provide it, with the modules of the verified root already loaded", async () => {
  const first = await loaded(1);
  expect(first).toEqual(
    expect.arrayContaining(["dm_verity.ko", "erofs.ko", "ext4.ko", "efivarfs.ko", "virtio_blk.ko"]),
  );
  for (const later of ["nvme.ko", "ahci.ko", "xhci_pci.ko"]) expect(first).not.toContain(later);
});

test("the agent's group may read the root partitions of both slots, and no other partition", async () => {
  const init = await readFile("image/bundle/initrd/init", "utf8");
  const [words = ""] = /^readable_slots\(\) \{[\s\S]*?^\}$/m.exec(init) ?? [];
  const script = `partition() { echo "/dev/mmcblk0-$1"; }\n${words}\nreadable_slots 990`;
  expect(execFileSync("sh", ["-c", script], { encoding: "utf8" })).toBe(
    ["root-a", "root-b"]
      .map((role) => `SUBSYSTEM=="block", KERNEL=="mmcblk0-${role}", GROUP="990", MODE="0640"\n`)
      .join(""),
  );
});

test("without the disk, the initrd finally loads every driver, once and in order", async () => {
  expect(await loaded(20)).toEqual(initrdModules.map((name) => `${moduleName(name)}.ko`));
});
