import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { findRepositories, RepositoryUrl, urlBelow } from "../../../agent/update/repositories.ts";

test("the image's repositories apply unless the settings name others, even none", async () => {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-facts-"));
  const path = join(folder, "update.json");
  try {
    expect(await findRepositories(undefined, path)).toEqual([]);
    await writeFile(path, JSON.stringify({ repositories: ["http://10.77.0.2/"], more: 1 }));
    expect(await findRepositories(undefined, path)).toEqual(["http://10.77.0.2/"]);
    expect(await findRepositories([], path)).toEqual([]);
    expect(await findRepositories(["https://updates.example/hamlet"], path)).toEqual([
      "https://updates.example/hamlet",
    ]);
    await writeFile(path, JSON.stringify({ repositories: ["ftp://10.77.0.2/"] }));
    await expect(findRepositories(undefined, path)).rejects.toMatchObject({ code: "file.invalid" });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test.each(["", "10.77.0.2", "ftp://x/", "http://", "http:///x", "http://x/?y=", "http://x/#y", "http://x y/"])(
  "%j is no repository",
  (url) => {
    expect(RepositoryUrl.safeParse(url).success).toBe(false);
  },
);

test.each(["http://10.77.0.2/", "https://updates.example:8443/a/b", "http://[fd12::1]/updates/"])(
  "%s is one, and files lie below it",
  (url) => {
    expect(RepositoryUrl.safeParse(url).success).toBe(true);
    const path = "metadata/1.root.json";
    expect(urlBelow(url, path).href).toBe(`${url.replace(/\/$/, "")}/${path}`);
  },
);
