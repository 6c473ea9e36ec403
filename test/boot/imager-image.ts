// An image as Raspberry Pi Imager writes it to a card: with Imager's files on the first partition.
import { constants, copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspectImage } from "../../image/inspect/inspect.ts";
import { run } from "../../system/command.ts";
import { imagerFiles, type Settings } from "../provisioning/firstboot/imager-card.ts";

export type ImagerImage = AsyncDisposable & { path: string };

export async function writtenByImager(image: string, settings: Settings): Promise<ImagerImage> {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-imager-"));
  const path = join(folder, "card.img");
  await copyFile(image, path, constants.COPYFILE_FICLONE);
  const [first] = (await inspectImage(path)).partitions;
  for (const [name, content] of Object.entries(imagerFiles(settings))) {
    await writeFile(join(folder, name), content);
    await run(["mcopy", "-i", `${path}@@${first!.firstByte}`, join(folder, name), `::/${name}`]);
  }
  return { path, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}
