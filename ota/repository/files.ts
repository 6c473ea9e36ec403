// The files of a repository, on disk or as a web server gives them.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, HamletError } from "../../system/error.ts";
import { readBytes } from "../../system/read-all.ts";
import { maxRecipeBytes } from "../format/limits.ts";
import { maxFrameBytes } from "../format/unpack.ts";

export type Files = {
  /** Undefined if there is none. */
  read(path: string): Promise<Buffer | undefined>;
  /** What people know the file as. */
  nameOf(path: string): string;
};

export const filesIn = (folder: string): Files => ({
  read: (path) => readIfThere(join(folder, path)),
  nameOf: (path) => join(folder, path),
});

export async function readIfThere(path: string): Promise<Buffer | undefined> {
  return await readFile(path).catch((error: unknown) => {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw error;
  });
}

/** A slow line may take as long as it needs, while bytes come. */
const stallMs = 60_000;
/** A pack may have what a whole release needs, compressed; of all else a recipe is the largest. */
const maxBytes = (path: string): number => (path.startsWith("packs/") ? 1 << 30 : maxFrameBytes(maxRecipeBytes));

/** Throws `update.unreachable`. */
export function filesAt(url: string): Files {
  const nameOf = (path: string) => `${url.replace(/\/$/, "")}/${path}`;
  return {
    nameOf,
    async read(path) {
      const stalled = new AbortController();
      const timer = setTimeout(() => stalled.abort(new Error(`no byte for ${stallMs / 1000} s`)), stallMs);
      try {
        const answer = await fetch(nameOf(path), { signal: stalled.signal, cache: "no-store" });
        timer.refresh();
        if (answer.status === 404 || answer.status === 403) return undefined;
        if (!answer.ok || !answer.body) throw new Error(`status ${answer.status}`);
        return await readBytes(
          watched(answer.body, () => timer.refresh()),
          maxBytes(path),
        );
      } catch (cause) {
        throw new HamletError("update.unreachable", `cannot fetch ${nameOf(path)}`, {
          hint: "check the address, and that the web server serves the folder repository/",
          cause,
        });
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

async function* watched(stream: AsyncIterable<Uint8Array>, onPiece: () => void): AsyncGenerator<Uint8Array> {
  for await (const piece of stream) {
    onPiece();
    yield piece;
  }
}
