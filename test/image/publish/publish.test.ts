import { execFileSync } from "node:child_process";
import { cp, link, mkdir, mkdtemp, open, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv } from "ajv";
import fc from "fast-check";
import { afterEach, beforeEach, test as everywhere, expect } from "vitest";
import { imageName } from "../../../image/assemble/assemble.ts";
import { imageJsonPath, provisionPath } from "../../../image/assemble/image-json.ts";
import { boardNames, provisionBlockBytes } from "../../../image/boards.ts";
import { provisionImage } from "../../../image/card/provision.ts";
import { osListText } from "../../../image/publish/os-list.ts";
import { type PublishOptions, publishImages } from "../../../image/publish/publish.ts";
import { type PublishedImage, PublishedImages } from "../../../image/publish/published.ts";
import { type Run, run } from "../../../system/command.ts";
import { silentProgress } from "../../../system/progress.ts";
import { lacks } from "../../lacks.ts";
import { makeCard } from "../card/card.ts";
import { diskBytes, imageFacts, makeDisk } from "../disk/disk.ts";
import schema from "./imager-os-list.schema.json" with { type: "json" };

// Raspberry Pi's own lists have defaults of a wrong type, and the schema allows them, so ajv must not be strict here.
const isValidList = new Ajv({ strict: false }).compile(schema);

const test = everywhere.skipIf(lacks("xz", "ssh-keygen"));

let folder: string;
let out: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-publish-test-"));
  out = join(folder, "public");
  await makePi("rpi4");
  await makeDisk(join(folder, "hamlet-nuc-1.2.3.img"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const pi = (board = "rpi4") => join(folder, `hamlet-${board}-1.2.3.img`);
const nuc = () => join(folder, "hamlet-nuc-1.2.3.img");

async function makePi(board: string, inputs = imageFacts.inputs): Promise<void> {
  const about = { ...imageFacts, board, inputs, sizeBytes: 1 << 20 };
  const card = makeCard({
    autoboot: { [provisionPath]: Buffer.alloc(provisionBlockBytes, "\n"), [imageJsonPath]: JSON.stringify(about) },
    bootA: {},
    bootB: {},
  });
  await writeFile(pi(board), card.bytes);
  await truncate(pi(board), 1 << 20);
  await writeFile(`${pi(board)}.bmap`, "stale");
}

const defaults: PublishOptions = { url: "https://example.org/some images/", isReplacing: false };
const signal = new AbortController().signal;
const publish = (paths = [pi(), nuc()], more: Partial<PublishOptions> = {}, how: Run = run) =>
  publishImages(paths, out, { ...defaults, ...more }, { run: how, signal, progress: silentProgress });
const text = (name: string) => readFile(join(out, name), "utf8");
const list = async () => JSON.parse(await text("os_list.json")).os_list;
const sh = (command: string) => execFileSync("sh", ["-ec", command], { cwd: out, stdio: "pipe" }).toString();

test("a published file unpacks to the image, and stock tools verify every checksum", async () => {
  const { fresh, isSigned } = await publish();
  expect([fresh, isSigned]).toEqual([["rpi4", "nuc"], false]);
  expect((await readdir(out)).sort()).toEqual([
    ...["SHA256SUMS", "hamlet-nuc-1.2.3.img.bmap", "hamlet-nuc-1.2.3.img.xz", "hamlet-rpi4-1.2.3.img.bmap"],
    ...["hamlet-rpi4-1.2.3.img.xz", "hamlet.png", "images.json", "os_list.json"],
  ]);
  expect(sh("sha256sum --check --strict SHA256SUMS").match(/: OK/g)).toHaveLength(4);
  for (const path of [pi(), nuc()]) sh(`xz -dc $(basename ${path}).xz | cmp - ${path}`);
  expect((await stat(join(out, "os_list.json"))).mode & 0o777).toBe(0o644);
});

test("Imager's own schema accepts the list, and its fields match the files", async () => {
  await publish();
  const os = JSON.parse(await text("os_list.json"));
  expect(isValidList(os) ? [] : isValidList.errors).toEqual([]);
  // Imager has no tag for a NUC, which is not a Raspberry Pi.
  expect(os.os_list).toHaveLength(1);
  expect(os.os_list[0]).toMatchObject({
    url: "https://example.org/some%20images/hamlet-rpi4-1.2.3.img.xz",
    icon: "https://example.org/some%20images/hamlet.png",
    extract_size: 1 << 20,
    extract_sha256: sh(`sha256sum ${pi()}`).slice(0, 64),
    image_download_size: (await stat(join(out, "hamlet-rpi4-1.2.3.img.xz"))).size,
    image_download_sha256: sh("sha256sum hamlet-rpi4-1.2.3.img.xz").slice(0, 64),
    release_date: "2023-11-14",
    init_format: "cloudinit",
    devices: ["pi4-64bit"],
  });
});

test("the schema refuses a list without a size or with a size as text", async () => {
  await publish();
  for (const wrong of [undefined, "1 MB"]) {
    const os = JSON.parse(await text("os_list.json"));
    os.os_list[0].extract_size = wrong;
    expect(isValidList(JSON.parse(JSON.stringify(os)))).toBe(false);
  }
});

test("every Raspberry Pi board has a valid entry", () => {
  const images = boardNames.map(
    (board): PublishedImage => ({
      ...{ board, version: "1", inputs: "ab".repeat(32), builtS: 1, file: `${board}~rc+1.img.xz`, downloadBytes: 1 },
      ...{ downloadSha256: "ab".repeat(32), extractBytes: 1, extractSha256: "ab".repeat(32) },
      bmap: { name: "x.bmap", sha256: "ab".repeat(32) },
    }),
  );
  const os = JSON.parse(osListText(images, "file:///srv/", "https://example.org"));
  expect(isValidList(os)).toBe(true);
  expect(os.os_list.flatMap(({ devices }: { devices: string[] }) => devices)).toEqual([
    ...["pi3-64bit", "pi4-64bit", "pi5-64bit"],
  ]);
  expect(os.os_list[0]).toMatchObject({ url: "file:///srv/rpi3~rc%2B1.img.xz", website: "https://example.org" });
});

test("publishing again compresses nothing and changes no file", async () => {
  await publish();
  const before = await Promise.all((await readdir(out)).map(async (name) => [name, (await stat(join(out, name))).ino]));
  const { fresh } = await publish(undefined, {}, () => Promise.reject(new Error("nothing is to be run")));
  expect(fresh).toEqual([]);
  expect(
    await Promise.all((await readdir(out)).map(async (name) => [name, (await stat(join(out, name))).ino])),
  ).toEqual(before);
});

test("two folders from the same images are the same, byte for byte", async () => {
  await publish();
  const first = sh("sha256sum *");
  await rm(out, { recursive: true });
  await publish([nuc(), pi()]);
  expect(sh("sha256sum *")).toBe(first);
});

test("a damaged download is made again, and a board published before stays listed", async () => {
  await publish();
  await truncate(join(out, "hamlet-rpi4-1.2.3.img.xz"), 100);
  await makePi("rpi3");
  expect((await publish([pi(), pi("rpi3")])).fresh).toEqual(["rpi4", "rpi3"]);
  expect(sh("sha256sum --check --strict SHA256SUMS").match(/: OK/g)).toHaveLength(6);
  expect((await list()).map(({ devices }: { devices: string[] }) => devices[0])).toEqual(["pi3-64bit", "pi4-64bit"]);
});

test("a provisioned image is refused before anything is written, because it holds a live secret", async () => {
  await provisionImage(nuc(), Buffer.alloc(provisionBlockBytes, "s"));
  await expect(publish()).rejects.toMatchObject({ code: "image.provisioned", exitCode: 3 });
  await expect(readdir(out)).rejects.toThrow();
});

test("a copy of a card that has booted is refused before anything is written, even though its block is blank", async () => {
  await makeDisk(nuc(), { data: { mounts: 1, mountedS: 1_800_000_000, writtenS: 1_800_000_000 } });
  await expect(publish()).rejects.toMatchObject({ code: "image.provisioned", exitCode: 3 });
  await expect(readdir(out)).rejects.toThrow();
  await makeDisk(nuc(), { data: {} });
  await truncate(nuc(), diskBytes + 1024);
  await expect(publish()).rejects.toMatchObject({ code: "image.wrongSize", exitCode: 3 });
  await expect(readdir(out)).rejects.toThrow();
});

test("two images of one board are refused, and so is a truncated one", async () => {
  await cp(pi(), join(folder, "other.img"));
  await expect(publish([pi(), join(folder, "other.img")])).rejects.toMatchObject({ code: "publish.twoOfOneBoard" });
  await truncate(pi(), 900_000);
  await expect(publish()).rejects.toMatchObject({ code: "image.truncated" });
});

test("a published version keeps its content unless the publisher asks to replace it", async () => {
  await publish();
  const before = sh("sha256sum *");
  await makePi("rpi4", "cd".repeat(32));
  await expect(publish()).rejects.toMatchObject({ code: "publish.versionTaken", exitCode: 3 });
  expect(sh("sha256sum *")).toBe(before);
  expect((await publish(undefined, { isReplacing: true })).fresh).toEqual(["rpi4"]);
  expect((await list())[0].extract_sha256).toBe(sh(`sha256sum ${pi()}`).slice(0, 64));
});

test("an interrupted publish leaves the old list and everything that it names", async () => {
  await publish([pi()]);
  const before = sh("sha256sum *");
  await makePi("rpi3");
  const dies: Run = () => Promise.reject(new Error("out of memory"));
  await expect(publish([pi(), pi("rpi3")], {}, dies)).rejects.toThrow("out of memory");
  expect(sh("sha256sum *")).toBe(before);
  expect((await readdir(out)).filter((name) => name.startsWith("."))).toEqual([]);
});

test("a replacement that is stopped before everything is made replaces nothing", async () => {
  await publish();
  const before = sh("sha256sum *");
  await makePi("rpi4", "cd".repeat(32));
  await makeDisk(nuc(), { image: { inputs: "cd".repeat(32) } });
  const over = new AbortController();
  let packed = 0;
  const stopsLate: Run = async (argv, options) => {
    const result = await run(argv, options);
    if (++packed === 2) over.abort();
    return result;
  };
  const stopped = publishImages(
    [pi(), nuc()],
    out,
    { ...defaults, isReplacing: true },
    {
      ...{ run: stopsLate, signal: over.signal, progress: silentProgress },
    },
  );
  await expect(stopped).rejects.toMatchObject({ name: "AbortError" });
  expect(packed).toBe(2);
  expect(sh("sha256sum *")).toBe(before);
  expect((await readdir(out)).filter((name) => name.startsWith("."))).toEqual([]);
});

test("a partial replacement is reported, and publishing again completes it", async () => {
  await mkdir(join(out, "os_list.json"), { recursive: true });
  await expect(publish()).rejects.toMatchObject({
    code: "publish.unfinished",
    message: expect.stringMatching(/^7 of 8 files/),
  });
  await rm(join(out, "os_list.json"), { recursive: true });
  expect((await publish()).fresh).toEqual([]);
  expect(await list()).toHaveLength(1);
});

test("an image that changes while it is being published is not published", async () => {
  const meddle: Run = async (argv, options) => {
    await using file = await open(pi(), "r+");
    await file.write("x", 1000);
    return await run(argv, options);
  };
  await expect(publish([pi()], {}, meddle)).rejects.toMatchObject({ code: "image.changed" });
  expect(await readdir(out)).toEqual([]);
});

test("OpenSSH verifies the signature and refuses any other content", async () => {
  await mkdir(out);
  sh('ssh-keygen -q -t ed25519 -N "" -C publisher -f ../key');
  expect((await publish(undefined, { signKey: join(folder, "key") })).isSigned).toBe(true);
  sh('echo "publisher $(cat ../key.pub)" > ../allowed');
  const verify = "ssh-keygen -Y verify -f ../allowed -I publisher -n file -s SHA256SUMS.sig < SHA256SUMS";
  expect(sh(verify)).toContain("Good");
  expect(sh(`ls -a`)).not.toContain("key");
  await writeFile(join(out, "SHA256SUMS"), `${await text("SHA256SUMS")}\n`);
  expect(() => sh(verify)).toThrow();
});

test("without a key, an old signature stays only as long as it is valid", async () => {
  await mkdir(out);
  sh('ssh-keygen -q -t ed25519 -N "" -f ../key');
  await publish([pi()], { signKey: join(folder, "key") });
  expect((await publish([pi()])).isSigned).toBe(true);
  expect((await publish()).isSigned).toBe(false);
  expect(await readdir(out)).not.toContain("SHA256SUMS.sig");
});

test("a key that cannot sign leaves the earlier publication unchanged", async () => {
  await publish([pi()]);
  const before = sh("sha256sum *.json SHA256SUMS");
  await writeFile(join(folder, "key"), "no key\n", { mode: 0o600 });
  await expect(publish(undefined, { signKey: join(folder, "key") })).rejects.toMatchObject({
    code: "publish.signFailed",
  });
  expect(sh("sha256sum *.json SHA256SUMS")).toBe(before);
});

/** File names as browsers, file managers and people make them; they may contain every byte except / and zero. */
const fileNames = [
  ...[
    "hamlet-nuc-1.2.3 (1).img",
    "Kopie von hamlet.img",
    "hämlet.img",
    "ha\u0308mlet.img",
    "_hamlet.img",
    "hamlet,nuc.img",
  ],
  ...[
    "-rf.img",
    "..img",
    "100 % #1?&=.img",
    "a\nb\t\x1b[31m.img",
    "\\.img",
    "'\"$(id).img",
    "hamlet.IMG",
    "image",
    "日本 🏠.img",
  ],
  `${"x".repeat(251)}.img`,
];
const anyName = fc
  .string({ unit: "binary", minLength: 1, maxLength: 60 })
  .filter((name) => !/[/\0]/.test(name) && name !== "." && name !== ".." && name.isWellFormed());

async function publishedAs(name: string): Promise<void> {
  await rm(out, { recursive: true, force: true });
  const path = join(folder, "in", name);
  await mkdir(join(folder, "in"), { recursive: true });
  await link(pi(), path);
  const { images } = await publish([path]);
  expect(images).toMatchObject([{ file: "hamlet-rpi4-1.2.3.img.xz", bmap: { name: "hamlet-rpi4-1.2.3.img.bmap" } }]);
  expect((await publish([path])).fresh).toEqual([]);
  await rm(path);
}

test("publish-file-name: for any source name, the published file is named after board and version and can be read again", async () => {
  for (const name of fileNames) await publishedAs(name);
  expect(sh("sha256sum --check --strict SHA256SUMS").match(/: OK/g)).toHaveLength(2);
  expect((await readdir(out)).sort()).toEqual([
    ...["SHA256SUMS", "hamlet-rpi4-1.2.3.img.bmap", "hamlet-rpi4-1.2.3.img.xz"],
    ...["hamlet.png", "images.json", "os_list.json"],
  ]);
  for (const url of (await list()).flatMap((one: Record<string, string>) => [one["url"], one["icon"], one["bmap_url"]]))
    await stat(join(out, decodeURIComponent(new URL(url).pathname.split("/").at(-1)!)));
  await fc.assert(fc.asyncProperty(anyName, publishedAs), { numRuns: 5 });
});

test("publish-file-name: every valid version gives file names that the list accepts", () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[0-9A-Za-z][0-9A-Za-z.~+-]{0,63}$/),
      fc.constantFrom(...boardNames),
      (version, board) => {
        const name = imageName(board, version);
        const sha256 = "ab".repeat(32);
        const image = {
          ...{ board, version, inputs: sha256, builtS: 1, file: `${name}.xz`, downloadBytes: 1, extractBytes: 1 },
          ...{ downloadSha256: sha256, extractSha256: sha256, bmap: { name: `${name}.bmap`, sha256 } },
        };
        expect(PublishedImages.safeParse({ format: 1, images: [image] }).success).toBe(true);
        for (const entry of JSON.parse(osListText([image], "https://x/")).os_list)
          expect(decodeURIComponent(new URL(entry.url).pathname)).toBe(`/${name}.xz`);
      },
    ),
  );
});

test("publish-file-name: a version that cannot be part of a file name is refused before anything is written", async () => {
  for (const version of ["../../etc/x", "1.2.3\n4", "1 2", "-rf", "ü", "\x1b[31m1"]) {
    await makeDisk(nuc(), { image: { version } });
    await expect(publish([nuc()])).rejects.toMatchObject({ code: "image.notOurs" });
  }
  await expect(readdir(out)).rejects.toThrow();
});

test("publish-file-name: an image is not published if another one would get the same name", async () => {
  const copy = join(folder, "hamlet-nuc-1.2.3 (1).img");
  const beside = { run, signal, progress: silentProgress };
  await cp(nuc(), copy);
  expect((await publishImages([copy], folder, defaults, beside)).fresh).toEqual(["nuc"]);
  await makeDisk(copy, { image: { inputs: "cd".repeat(32) } });
  const replacing = { ...defaults, isReplacing: true };
  const before = await readFile(join(folder, "images.json"), "utf8");
  await expect(publishImages([copy], folder, replacing, beside)).rejects.toMatchObject({
    code: "file.exists",
    exitCode: 3,
  });
  expect(await readFile(join(folder, "images.json"), "utf8")).toBe(before);
  await expect(publishImages([nuc(), copy], folder, replacing, beside)).rejects.toMatchObject({
    code: "publish.twoOfOneBoard",
  });
});

test("publish-file-name: a file that an earlier version published under another name is published again, and the error for a bad list says how", async () => {
  await publish([pi()]);
  const index = JSON.parse(await text("images.json"));
  index.images[0].file = "mine.img.xz";
  await writeFile(join(out, "images.json"), JSON.stringify(index));
  expect((await publish([pi()])).fresh).toEqual(["rpi4"]);
  index.images[0].file = "hamlet (1).img.xz";
  await writeFile(join(out, "images.json"), JSON.stringify(index));
  await expect(publish([pi()])).rejects.toMatchObject({
    code: "file.invalid",
    message: expect.stringContaining("images.json is not valid: images.0.file"),
    hint: expect.stringMatching(/^remove images.json/),
  });
  await rm(join(out, "images.json"));
  expect((await publish([pi()])).fresh).toEqual(["rpi4"]);
});
