// A device that runs from a USB stick, with an Intel network card, moves to its internal NVMe disk: it stays the same member
// there, and the stick loses its identity.

import { mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { agentClient } from "../../agent/api/client.ts";
import { withRootRequest } from "../../cli/commands/device/root-request.ts";
import { serveOpenPage } from "../../dashboard/open.ts";
import { openMachineChannel } from "../../image/lab/channel/machine-channel.ts";
import { labDevices } from "../../image/lab/machine/devices.ts";
import { makeDisk } from "../../image/lab/machine/disk.ts";
import {
  type DiskKind,
  freePort,
  machineArgv,
  machineFiles,
  type NicKind,
  startQemu,
} from "../../image/lab/machine/machine.ts";
import { makeHub } from "../../image/lab/network/hub.ts";
import { makeLabNeighborhood } from "../../image/lab/supervisor/neighborhood.ts";
import type { Argv } from "../../system/command.ts";
import { run } from "../../system/command.ts";
import { agentSocket } from "../../system/doors.ts";
import { eventually } from "../eventually.ts";
import { testImage } from "./image.ts";

test("a device moves from its stick to its disk when asked on its page", async () => {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-install-"));
  const device = labDevices(1)[0]!;
  const files = machineFiles(device.name);
  const hub = makeHub();
  await hub.openPort(device.name, join(folder, files.lan));
  const image = await testImage();
  await makeDisk(run, folder, device, image);
  await (await makeLabNeighborhood(run, folder, Date.now()))(device, image);
  await run(["qemu-img", "create", "-q", "-f", "qcow2", "inner.qcow2", "16G"], { cwd: folder });

  /** Starts the machine with `extra` devices plugged in and waits for its agent. */
  async function started(disk: DiskKind, nic: NicKind, extra: string[]) {
    const pagePort = await freePort();
    const machine = { device, folder, accelerator: "tcg", disk, nic } as const;
    const argv = [...machineArgv({ ...machine, memoryMb: 768, pagePort, hasLabPort: true }), ...extra];
    const qemu = startQemu(argv as unknown as Argv, folder);
    const channel = openMachineChannel(join(folder, files.port));
    const where = () => ({ createConnection: () => channel.connect(agentSocket) });
    const { status, request } = agentClient({ who: device.name, where, deadlineMs: 15_000 });
    await eventually(async () => (await status()).self.name !== "", { within: 240_000, every: 1_000 });
    return {
      status,
      request: withRootRequest(request, async (argv) => {
        const program = channel.exec({ argv });
        program.stdin.end();
        program.stdout.resume();
        program.stderr.resume();
        return await program.exit;
      }),
      async on(...words: string[]) {
        const program = channel.exec({ argv: words as [string, ...string[]] });
        program.stdin.end();
        const [stdout, stderr, code] = await Promise.all([text(program.stdout), text(program.stderr), program.exit]);
        return { code, stdout, stderr };
      },
      /** The paths of its disks, the partition that it started from, the drivers of its network cards. */
      async hardware() {
        const ask =
          "ls -l /dev/disk/by-path; readlink -f /run/hamlet-disk/esp; readlink /sys/class/net/e*/device/driver";
        return (await this.on("sh", "-c", ask)).stdout;
      },
      async off() {
        channel.close();
        await qemu.cut();
      },
    };
  }

  try {
    const inner = [
      "-drive",
      "if=none,id=inner,format=qcow2,file=inner.qcow2",
      "-device",
      "nvme,drive=inner,serial=inner",
    ];
    const stick = await started("usb", "e1000e", inner);
    const before = await eventually(
      async () => {
        const status = await stick.status();
        return status.phase === "member" && status;
      },
      { within: 120_000 },
    );
    expect(before.warnings.map(({ code }) => code)).toContain("install.available");
    // The same image starts from USB storage and NVMe, with any network card.
    expect(await stick.hardware()).toMatch(/usb-\S* -> \S*sda\n[\s\S]*^\/dev\/sda\d\n[\s\S]*e1000e/m);
    // The stick is the system's disk: a typing mistake does no harm.
    expect(await stick.on("hamlet", "install", "/dev/sda", "--yes")).toMatchObject({
      code: 3,
      stderr: expect.stringContaining("flash.systemDisk"),
    });
    expect(await stick.on("hamlet", "install")).toMatchObject({ code: 2, stderr: expect.stringContaining("--yes") });
    expect(before.internalDisk).toMatchObject({ path: "/dev/nvme0n1", partitions: 0 });
    const page = await serveOpenPage(stick, { request: stick.request });
    const [url, key = ""] = page.url.split("#");
    const asked = JSON.stringify({ id: before.self.id, disk: "/dev/nvme0n1" });
    const headers = { "x-hamlet-key": key, origin: new URL(page.url).origin };
    const answer = await fetch(`${url}v1/install`, { method: "POST", headers, body: asked });
    expect(answer.status, await answer.text()).toBe(200);
    const left = await eventually(
      async () => {
        const status = await stick.status();
        return status.self.id !== before.self.id && status;
      },
      { within: 240_000, every: 1_000 },
    ).catch(async (error) => {
      throw new Error((await stick.on("journalctl", "-u", "hamlet-install", "--no-pager")).stdout, { cause: error });
    });
    await page.close();
    expect(left.phase).toBe("unprovisioned");
    expect(left.warnings.map(({ message }) => message).join()).toContain("install.moved");
    // The disk that it now runs from is not offered again.
    expect(left.internalDisk).toBeUndefined();
    expect(left.warnings.map(({ code }) => code)).not.toContain("install.available");
    await stick.off();

    await rename(join(folder, files.overlay), join(folder, "stick.qcow2"));
    await rename(join(folder, "inner.qcow2"), join(folder, files.overlay));
    const disk = await started("nvme", "virtio", []);
    const after = await eventually(
      async () => {
        const status = await disk.status();
        return status.phase === "member" && status;
      },
      { within: 120_000 },
    );
    expect(await disk.hardware()).toMatch(/nvme-1\S* -> \S*nvme0n1\n[\s\S]*^\/dev\/nvme0n1p\d\n[\s\S]*virtio_net/m);
    expect(after.self).toMatchObject({ id: before.self.id, name: before.self.name });
    expect(after.warnings.map(({ code }) => code)).not.toContain("install.available");
    // `data` fills the rest of the disk.
    await eventually(
      async () => {
        const { stdout: size } = await disk.on("sh", "-c", "df --output=size -B1 /var/lib/hamlet | tail -1");
        return Number(size) > 12e9;
      },
      { within: 60_000, every: 1_000 },
    );
    await disk.off();
  } finally {
    await hub.close();
    await rm(folder, { recursive: true, force: true });
  }
});
