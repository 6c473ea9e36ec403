// Flashes drives that the device mapper makes fail: bad sectors, dropped writes, wrong reads, a pulled plug.
import { mkdtemp, open } from "node:fs/promises";
import { join } from "node:path";
import { headSectors, readGpt, sectorBytes } from "../../../image/disk/gpt.ts";
import { openBlockDevice } from "../../../image/flash/block-device.ts";
import { type ImageSource, openImage } from "../../../image/flash/source.ts";
import { type CardState, writeImage } from "../../../image/flash/write.ts";
import { run } from "../../../system/command.ts";
import { errnoOf, HamletError } from "../../../system/error.ts";
import { silentProgress } from "../../../system/progress.ts";
import { makeImage, places } from "../../image/flash/image.ts";

const mib = 1 << 20;
const cardBytes = 24 * mib;
const name = "hamlet-card";
const card = `/dev/mapper/${name}`;

export default async function flash() {
  for (const module of ["loop", "dm-mod", "dm-flakey", "dm-zero"]) await run(["modprobe", module]);
  // Use a tmpfs: an overlay does not support direct I/O.
  const folder = await mkdtemp("/run/flash-");
  const image = join(folder, "image.img");
  await makeImage(image);
  await run(["truncate", "-s", String(cardBytes), join(folder, "card")]);
  const loop = (await run(["losetup", "--find", "--show", join(folder, "card")])).trim();

  /** `lines` is a table for dmsetup; `meanwhile` runs after 4 MiB of the image have been read. */
  async function trial(lines: string[], meanwhile?: () => Promise<unknown>) {
    await run(["dd", "if=/dev/urandom", `of=${loop}`, "bs=1M", `count=${cardBytes / mib}`, "status=none"]);
    await run(["dmsetup", "create", name, "--noudevsync"], { input: `${lines.join("\n")}\n` });
    await run(["dmsetup", "mknodes", name]);
    const source = await openImage(image);
    const device = await openBlockDevice(card, run);
    let state: CardState = { card: "untouched" };
    let code = "none";
    try {
      const disturbed: ImageSource = {
        ...source,
        async *pieces(options) {
          let isDue = meanwhile !== undefined;
          for await (const piece of source.pieces(options)) {
            if (isDue && piece.offset >= 4 * mib) await meanwhile?.();
            isDue &&= piece.offset < 4 * mib;
            yield piece;
          }
        },
      };
      const options = { progress: silentProgress, nonce: Buffer.alloc(16, 9) };
      await writeImage(disturbed, device, { ...options, onState: (now) => (state = now) });
    } catch (error) {
      code = error instanceof HamletError ? error.code : (errnoOf(error) ?? String(error));
    } finally {
      await device.close();
      await source.close();
    }
    await run(["dmsetup", "remove", "--noudevsync", "--retry", name]);
    await run(["blockdev", "--flushbufs", loop]);
    return { code, state: (state as CardState).card, hasTable: await hasTable(loop) };
  }

  const whole = (target: string) => [`0 ${sectors(cardBytes)} ${target}`];
  const linear = (from: number, to: number) => `${sectors(from)} ${sectors(to - from)} linear ${loop} ${sectors(from)}`;
  /** A range of slot a that fails while the rest works; it contains no mark of the size probe. */
  const [from, to] = [places.rootA + mib / 4, places.rootA + mib / 4 + 65_536];
  const around = (target: string) => [
    linear(0, from),
    `${sectors(from)} ${sectors(to - from)} ${target}`,
    linear(to, cardBytes),
  ];
  const flakey = (features: string) => `flakey ${loop} ${sectors(from)} 0 3600 ${features}`;
  const results = {
    healthy: await trial(whole(`linear ${loop} 0`)),
    badSector: await trial(around("error")),
    // Not flakey's corrupt_bio_byte: it does not change reads in Linux 6.1.
    wrongReads: await trial(around("zero")),
    droppedWrites: await trial(around(flakey("1 drop_writes"))),
    allDropped: await trial(whole(`flakey ${loop} 0 0 3600 1 drop_writes`)),
    smallerThanItSays: await trial([linear(0, 13 * mib), `${sectors(13 * mib)} ${sectors(11 * mib)} zero`]),
    pulled: await trial(whole(`linear ${loop} 0`), () =>
      run(["dmsetup", "wipe_table", "--noudevsync", "--noflush", name]),
    ),
  };
  await run(["losetup", "--detach", loop]);
  return results;
}

const sectors = (bytes: number) => bytes / sectorBytes;

async function hasTable(path: string): Promise<boolean> {
  const handle = await open(path, "r");
  const { buffer } = await handle.read(Buffer.alloc(headSectors * sectorBytes), 0, headSectors * sectorBytes, 0);
  await handle.close();
  return readGpt(buffer) !== undefined;
}
