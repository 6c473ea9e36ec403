// A publisher for tests: one set of keys and images, and a fresh copy of the repository for each test, because sealing keys is slow
// on purpose.
import { cp, mkdir, mkdtemp, open, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Repository, readPublished, repositoryFolder } from "../../../ota/repository/folder.ts";
import { firstRootPath, initRepository } from "../../../ota/repository/init.ts";
import { readSealed } from "../../../ota/repository/keys.ts";
import { readImage, readPart } from "../../../ota/repository/read-image.ts";
import { toReview } from "../../../ota/repository/review.ts";
import { type Signed, signRepository } from "../../../ota/repository/sign.ts";
import { check, type Parts, serve } from "./device.ts";
import { type ImageOptions, makeReleaseImage, noise } from "./image.ts";

export const passphrase = "correct horse";

export type Published = {
  folder: string;
  repository: Repository;
  /** Where a device keeps its metadata; it begins with the root of its image. */
  trusted: string;
};

export async function makePublisher(now = Date.now()) {
  const work = await mkdtemp(join(tmpdir(), "hamlet-ota-"));
  const pristine = join(work, "pristine");
  const { keys } = await initRepository(pristine, { passphrase, now });
  const releaseRoot = await readFile(firstRootPath(pristine));
  let count = 0;
  return {
    work,
    releaseRoot,
    async image(options: ImageOptions): Promise<string> {
      const folder = join(work, `image-${count++}`);
      await mkdir(folder);
      return await makeReleaseImage(folder, { releaseRoot, ...options });
    },
    /** Those of 0.<first>.0 to 0.<last>.0, each with a file of its own. */
    async images(first: number, last: number): Promise<string[]> {
      const paths: string[] = [];
      for (let minor = first; minor <= last; minor++) {
        paths.push(await this.image({ version: `0.${minor}.0`, files: { "usr/lib/own": noise(100_000, 20 + minor) } }));
      }
      return paths;
    },
    /** `from`: the folder to copy, with whatever was published. */
    async fresh(from = pristine): Promise<Published> {
      const folder = join(work, `repository-${count++}`);
      await cp(from, folder, { recursive: true });
      const trusted = join(work, `trusted-${count}`);
      await mkdir(trusted);
      await writeFile(join(trusted, "root.json"), releaseRoot);
      return { folder, trusted, repository: await this.open(folder) };
    },
    /** As `openRepository` does, but without the passphrase: the keys are known already. */
    async open(folder: string): Promise<Repository> {
      const here = new Set((await readSealed(folder)).map(({ sealed }) => sealed.publicKey));
      const known = keys.filter(({ publicKey }) => here.has(publicKey));
      return { folder, keys: known, current: await readPublished(folder) };
    },
    [Symbol.asyncDispose]: () => rm(work, { recursive: true, force: true }),
  };
}
export type Publisher = Awaited<ReturnType<typeof makePublisher>>;

/** As `hamlet ota sign` does once somebody has said yes to all that it shows. */
export const signAll = async (repository: Repository, now: number): Promise<Signed> =>
  await signRepository(repository, now, new Set((await toReview(repository, now)).map(({ digest }) => digest)));

/** The version that a device finds, or what its client says instead. */
export async function seen({ folder, trusted }: Published, board = "nuc"): Promise<string | undefined> {
  const web = await serve(repositoryFolder(folder));
  try {
    return (await check(web.url, trusted, board))?.version;
  } finally {
    await web.close();
  }
}

/** The parts as they lie in the image, zeros in their places. */
export async function partsOf(path: string): Promise<Parts> {
  await using file = await open(path, "r");
  const parts: Parts = {};
  for (const part of (await readImage(path)).parts) {
    const pieces: Buffer[] = [];
    for await (const piece of readPart(file, part, path)) pieces.push(piece);
    parts[part.name] = Buffer.concat(pieces);
  }
  return parts;
}

/** Moves keys away, as to another computer. */
export async function without({ folder }: Published, names: readonly string[]): Promise<void> {
  await mkdir(join(folder, "elsewhere"), { recursive: true });
  for (const name of names) await rename(join(folder, `keys/${name}.key`), join(folder, `elsewhere/${name}.key`));
}
export async function withOnly({ folder }: Published, names: readonly string[]): Promise<void> {
  for (const file of await readdir(join(folder, "keys")))
    await rename(join(folder, "keys", file), join(folder, "elsewhere", file));
  for (const name of names) await rename(join(folder, `elsewhere/${name}.key`), join(folder, `keys/${name}.key`));
}
