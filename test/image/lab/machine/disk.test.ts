import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { cloneDisk, copyDisk } from "../../../../image/lab/machine/disk.ts";
import { machineFiles } from "../../../../image/lab/machine/machine.ts";
import { beginSession } from "../../../../image/lab/power/session.ts";
import { run } from "../../../../system/command.ts";
import { lacks } from "../../../lacks.ts";

test.skipIf(lacks("qemu-img", "qemu-io"))(
  "a cloned disk has what the running device has written, and from then on each has its own",
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "hamlet-clone-"));
    try {
      const [attic, porch] = [machineFiles("attic"), machineFiles("porch")];
      const image = join(folder, "image.raw");
      await writeFile(image, Buffer.alloc(1 << 20, "i"));
      await run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", image, attic.overlay], { cwd: folder });
      await writeFile(join(folder, attic.vars), "variables");
      const write = (file: string, pattern: string, offset: number) =>
        run(["qemu-io", "-f", "qcow2", "-c", `write -q -P ${pattern} ${offset} 4096`, file], { cwd: folder });
      await write(attic.overlay, "0x61", 0);
      await beginSession(run, folder, "attic");
      await write(attic.session, "0x62", 8192);

      const saved = join(folder, "copy");
      await mkdir(saved);
      await copyDisk(run, folder, saved, "attic");
      await cloneDisk(run, saved, "attic", folder, "porch");
      await write(attic.session, "0x63", 16_384);

      const raw = join(folder, "porch.raw");
      await run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", porch.overlay, raw], { cwd: folder });
      const bytes = await readFile(raw);
      expect([0, 4096, 8192, 16_384].map((at) => String.fromCharCode(bytes[at]!))).toEqual(["a", "i", "b", "i"]);
      expect(await readFile(join(folder, porch.vars), "utf8")).toBe("variables");
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
);
