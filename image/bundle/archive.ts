// Writes two kinds of archives: tar for files of the root filesystem, cpio for the initrd.
// Written here so that every field is fixed: no owner, date or file order of the building machine gets in.
import { HamletError } from "../../system/error.ts";

export type Entry = { path: string; mode?: number; uid?: number; gid?: number } & (
  | { kind: "file"; content: Buffer }
  | { kind: "folder" }
  | { kind: "link"; target: string }
);

export const file = (path: string, content: string | Buffer, mode = 0o644): Entry => ({
  kind: "file",
  path,
  content: Buffer.from(content),
  mode,
});
export const folder = (path: string, mode = 0o755): Entry => ({ kind: "folder", path, mode });
export const link = (path: string, target: string): Entry => ({ kind: "link", path, target, mode: 0o777 });

/** POSIX ustar (POSIX.1-1988), ending in two empty blocks. Paths without a leading slash. */
export function* tar(entries: Iterable<Entry>, mtimeS: number): Generator<Buffer> {
  for (const entry of entries) {
    const content = entry.kind === "file" ? entry.content : Buffer.alloc(0);
    const header = Buffer.alloc(512);
    const octal = (value: number, at: number, length: number) =>
      header.write(`${value.toString(8).padStart(length - 1, "0")}\0`, at, "latin1");
    const [prefix, name] = splitPath(entry.path);
    header.write(name, 0, 100);
    octal(entry.mode ?? 0o755, 100, 8);
    octal(entry.uid ?? 0, 108, 8);
    octal(entry.gid ?? 0, 116, 8);
    octal(content.length, 124, 12);
    octal(mtimeS, 136, 12);
    header.fill(" ", 148, 156);
    header.write({ file: "0", link: "2", folder: "5" }[entry.kind], 156);
    if (entry.kind === "link") header.write(entry.target, 157, 100);
    header.write("ustar\x0000", 257, "latin1");
    header.write(prefix, 345, 155);
    octal(
      header.reduce((sum, byte) => sum + byte, 0),
      148,
      7,
    );
    yield header;
    yield content;
    yield Buffer.alloc(-content.length & 511);
  }
  yield Buffer.alloc(1024);
}

function splitPath(path: string): [prefix: string, name: string] {
  if (path.length <= 100) return ["", path];
  const cut = path.indexOf("/", path.length - 101);
  if (cut < 0 || cut > 155) throw new HamletError("bundle.invalid", `path too long for tar: ${path}`);
  return [path.slice(0, cut), path.slice(cut + 1)];
}

/** cpio newc, as the kernel unpacks it (Documentation/driver-api/early-userspace/buffer-format.rst). */
export function cpio(entries: Entry[]): Buffer {
  const parts: Buffer[] = [];
  const put = (path: string, mode: number, inode: number, content: Buffer) => {
    const name = Buffer.from(`${path}\0`);
    const fields = [inode, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length, 0];
    const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`);
    const start = Buffer.concat([header, name]);
    parts.push(start, Buffer.alloc(-start.length & 3), content, Buffer.alloc(-content.length & 3));
  };
  const formats = { file: 0o100000, folder: 0o040000, link: 0o120000 };
  entries.forEach((entry, index) => {
    const content =
      entry.kind === "file" ? entry.content : entry.kind === "link" ? Buffer.from(entry.target) : Buffer.alloc(0);
    put(entry.path, formats[entry.kind] | (entry.mode ?? 0o755), index + 1, content);
  });
  put("TRAILER!!!", 0, 0, Buffer.alloc(0));
  return Buffer.concat(parts);
}
