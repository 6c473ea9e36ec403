// Power that fails while a settled device starts, on a whole NUC.
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { eventually } from "../eventually.ts";
import { slowness } from "../speed.ts";
import { testImage } from "./image.ts";
import { bootLab, type TestLab } from "./lab.ts";

/** Checks that five power cuts at as many stages of a start change neither slot nor counter nor record. Throws otherwise. */
export async function proveSettled(): Promise<void> {
  await using lab = await bootLab({ images: [await testImage()], devices: 1 });
  const before = await whatStarts(lab);
  assert.match(before, /"phase":"settled"/);
  for (const afterS of [5, 12, 20, 30, 45]) {
    await lab.cut("attic");
    await lab.restore("attic");
    await pause(afterS * 1_000 * slowness());
  }
  await lab.cut("attic");
  await lab.restore("attic");
  assert.equal(await whatStarts(lab), before);
}

/** State, kernels by name and content, record of a trial, panics. */
const whatStarts = (lab: TestLab): Promise<string> =>
  eventually(
    async () => {
      const script = `hamlet boot status --json && cd /efi/EFI/Linux && sha256sum * && ls /var/lib/hamlet/root/boot.json \
/var/lib/hamlet/system/panics /var/lib/hamlet/system/rescued.json 2>/dev/null; true`;
      const { code, stdout } = await lab.on("attic", "sh", "-c", script);
      return code === 0 && stdout.includes("phase") && stdout.includes(".efi") && stdout;
    },
    { within: 15 * 60_000 * slowness(), every: 2_000 },
  );
