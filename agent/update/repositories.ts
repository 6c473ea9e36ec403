// Where releases come from: the repositories in the agent's settings, else those that the image was built with.
import { z } from "zod";
import { readJson } from "../../system/files.ts";

/** Written into an image when it is built. */
export const imageFactsPath = "/usr/lib/hamlet/update.json";

export const RepositoryUrl = z
  .string()
  .regex(/^https?:\/\/[^ /?#]+(\/[^ ?#]*)?$/, "is not an http:// or https:// URL without query")
  // Nix reads POSIX expressions, which know no escaped slash.
  .meta({ pattern: "^https?://[^ /?#]+(/[^ ?#]*)?$" });
export const ImageFacts = z.object({ repositories: z.array(RepositoryUrl) });

/** Throws `file.invalid` or `file.unreadable` for a damaged image. Without an image there are none. */
export async function findRepositories(
  configured: readonly string[] | undefined,
  path = imageFactsPath,
): Promise<readonly string[]> {
  return configured ?? (await readJson(path, ImageFacts))?.repositories ?? [];
}

/** The URL of a file below a repository's URL, which may end with a slash or not. */
export const urlBelow = (repository: string, path: string): URL => new URL(`${repository.replace(/\/*$/, "/")}${path}`);
