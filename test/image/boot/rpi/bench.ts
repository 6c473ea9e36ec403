// A Raspberry Pi with a card in memory and the lab's firmware emulator.
import { hash } from "node:crypto";
import type { Slot } from "../../../../image/boot/boot-control.ts";
import { autobootSector, bootPartitions } from "../../../../image/boot/rpi/autoboot.ts";
import type { Sector } from "../../../../image/boot/rpi/doors.ts";
import { rpiTryboot } from "../../../../image/boot/rpi/tryboot.ts";
import { slotOnCommandLine } from "../../../../image/boot/running.ts";
import { findFatFile, readFatFile } from "../../../../image/disk/fat.ts";
import { readFdt } from "../../../../image/lab/firmware/fdt.ts";
import { planBoot } from "../../../../image/lab/firmware/firmware.ts";
import { afterReset, takeState } from "../../../../image/lab/firmware/reset.ts";
import { type Card, makeCard, makeFat } from "../../card/card.ts";
import { autobootFiles, bootFiles, rpi } from "../../lab/firmware/board.ts";
import { type Bench, makeSystem, maxStarts } from "../bench.ts";

export type RpiBench = Bench & {
  card: Card;
  /** The content of the card, even without power. */
  writeAutoboot(bytes: Buffer): void;
  readAutoboot(): Buffer;
  /** Replaces what the firmware passes to the device. */
  deviceTree: Map<string, Buffer | undefined>;
};

export async function rpiBench(name: string, { isVendorKernel = true } = {}): Promise<RpiBench> {
  const board = rpi(name);
  const system = makeSystem("1.0");
  const card = makeCard({
    autoboot: autobootFiles(board, autobootSector("a")),
    bootA: bootFiles(board, "a", contentOf("a", "1.0")),
    bootB: {},
  });
  const sectorAt = (await findFatFile(card.readAt, card.firstByte(1), "autoboot.txt", 512))!.extents[0]!.offset;
  const readAutoboot = () => Buffer.from(card.bytes.subarray(sectorAt, sectorAt + 512));
  const writeAutoboot = (bytes: Buffer) => void bytes.copy(card.bytes, sectorAt);
  const autoboot: Sector = {
    read: async () => readAutoboot(),
    write: (bytes) =>
      system.power.write(
        async () => writeAutoboot(bytes),
        // A partially written sector reads as something else.
        async () => writeAutoboot(Buffer.alloc(512, 0xa5)),
      ),
  };
  let memory = afterReset({ kind: "power" });
  const deviceTree = new Map<string, Buffer | undefined>();

  return {
    power: system.power,
    card,
    readAutoboot,
    writeAutoboot,
    deviceTree,
    restarted: system.restarted,
    async start(reset) {
      system.power.restore();
      memory = afterReset(reset);
      for (let count = 0; count < maxStarts; count++) {
        const { boot, left } = takeState(memory);
        memory = left;
        const plan = await planBoot(card.readAt, board, { tryboot: boot.isTryboot, partition: boot.partition });
        system.nextBoot();
        const slot = slotOnCommandLine(plan.commandLine);
        const version = plan.kernel.toString();
        if (!system.starts(slot, version)) continue;
        const tree = readFdt(plan.deviceTree).root;
        const control = rpiTryboot({
          board: name,
          deviceTree: async (path) => (deviceTree.has(path) ? deviceTree.get(path) : property(tree, path.split("/"))),
          commandLine: async () => plan.commandLine,
          autoboot,
          bootFile: (of, path) => readFatFile(card.readAt, card.firstByte(bootPartitions[of]), path, 1 << 20),
          isVendorKernel: async () => isVendorKernel,
          record: system.record,
          bootId: system.bootId,
          version,
          restart: system.restart,
        });
        return { control, slot, version };
      }
      throw new Error("neither slot starts");
    },
    async writeSlot(slot, version) {
      system.slots[slot] = { version, isBroken: false };
      makeFat(bootFiles(board, slot, contentOf(slot, version)), 32).copy(
        card.bytes,
        card.firstByte(bootPartitions[slot]),
      );
      return { version };
    },
    holds: system.holds,
    bootFiles: () => hash("sha256", card.bytes),
    breakSlot(slot) {
      system.slots[slot]!.isBroken = true;
    },
    dispose() {},
  };
}

const contentOf = (slot: Slot, version: string) => ({
  kernel: version,
  "cmdline.txt": `quiet hamlet.verity=${"ab".repeat(32)} hamlet.blocks=40 hamlet.slot=${slot}\n`,
});

type TreeNode = ReturnType<typeof readFdt>["root"];

function property(node: TreeNode, [word = "", ...more]: string[]): Buffer | undefined {
  if (more.length === 0) return node.properties.get(word);
  const child = node.children.find(({ name }) => name === word);
  return child && property(child, more);
}
