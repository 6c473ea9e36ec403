// A device as the repository sees it: the real TUF client over HTTP, and a maker of parts by recipe, the plain way.
import { createHash, hash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { Updater } from "tuf-js";
import { type Manifest, parseManifest, recipeFor } from "../../../ota/format/manifest.ts";
import { newestName, objectPath, packPath } from "../../../ota/format/names.ts";
import { applyPatch } from "../../../ota/format/patch.ts";
import { decodeRecipe } from "../../../ota/format/recipe.ts";

/** Serves the folder as it is on disk at each request. */
export async function serve(folder: string) {
  const requests: string[] = [];
  let sentBytes = 0;
  const server = createServer(async (request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://x").pathname);
    requests.push(path);
    const content = await readFile(join(folder, path)).catch(() => undefined);
    sentBytes += content?.length ?? 0;
    response.writeHead(content ? 200 : 404).end(content);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    sentBytes: () => sentBytes,
    close: (): Promise<void> => new Promise((done) => server.close(() => done())),
  };
}

/** What a check finds: `trusted` holds the client's metadata, `root.json` at least. */
export async function check(url: string, trusted: string, board: string): Promise<Manifest | undefined> {
  const updater = new Updater({
    metadataDir: trusted,
    metadataBaseUrl: `${url}/metadata`,
    targetDir: trusted,
    targetBaseUrl: `${url}/targets`,
    config: { fetchRetries: 0 },
  });
  await updater.refresh();
  const target = await updater.getTargetInfo(newestName(board));
  return target && parseManifest(await readFile(await updater.downloadTarget(target, join(trusted, "manifest"))));
}

export type Parts = Record<string, Buffer>;

/** The parts of `manifest`, from `older` (with that root hash) or from nothing. */
export async function make(
  url: string,
  manifest: Manifest,
  older?: { rootHash: string; parts: Parts },
): Promise<Parts> {
  const get = async (path: string) => Buffer.from(await (await fetch(`${url}/${path}`)).arrayBuffer());
  const fetched = new Map<string, Buffer>();
  const object = async (sha256: string) => {
    const content = fetched.get(sha256) ?? checked(zstdDecompressSync(await get(objectPath(sha256))), sha256);
    fetched.set(sha256, content);
    return content;
  };
  const { sha256 } = recipeFor(manifest, older?.rootHash);
  const { steps, pack } = decodeRecipe(await object(sha256), manifest.parts);
  const packed = pack && checked(await get(packPath(pack.sha256)), pack.sha256);
  const pieces: Buffer[] = [];
  for (const step of steps) {
    const range = (from: { part: string; offset: number; length: number }) =>
      older!.parts[from.part]!.subarray(from.offset, from.offset + from.length);
    const content = {
      chunk: async () => await object(step.sha256),
      copy: async () => (step.kind === "copy" ? range(step.from) : Buffer.alloc(0)),
      packed: async () => {
        if (step.kind !== "packed") return Buffer.alloc(0);
        const frame = packed!.subarray(step.pack.offset, step.pack.offset + step.pack.length);
        return applyPatch(zstdDecompressSync(frame), range(step.from), step.length);
      },
    }[step.kind];
    pieces.push(checked(await content(), step.sha256));
  }
  const whole = Buffer.concat(pieces);
  let at = 0;
  return Object.fromEntries(
    manifest.parts.map(({ name, sizeBytes, sha256: wanted }) => {
      const content = checked(whole.subarray(at, at + sizeBytes), wanted);
      at += sizeBytes;
      return [name, content];
    }),
  );
}

function checked(content: Buffer, sha256: string): Buffer {
  if (hash("sha256", content) !== sha256) throw new Error(`${sha256} is not the digest of ${content.length} bytes`);
  return content;
}

export const sha256 = (content: Buffer): string => createHash("sha256").update(content).digest("hex");
