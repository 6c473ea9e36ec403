// The guarded folder: root holds it open while its owner may change its content at any moment. Every operation goes by the descriptor and
// one name, never through a link: Node has no openat(), but on Linux /proc/self/fd/<folder>/<name> does the same.
import { randomBytes } from "node:crypto";
import { constants, type Dirent, type Stats } from "node:fs";
import { type FileHandle, lstat, mkdir, open, opendir, rename, rmdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, HamletError } from "../../system/error.ts";

const { O_RDONLY, O_RDWR, O_WRONLY, O_CREAT, O_EXCL, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = constants;
// NONBLOCK: opening a pipe must not wait for its writer. NOCTTY: a terminal must not become ours.
const guarded = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;

export type Owner = { uid: number; gid: number };
export type NewFile = { mode?: number; owner?: Owner | undefined };

/** `read` returns less only at the file's end. */
export type Pieces = { sizeBytes: number; read(offset: number, length: number): Promise<Buffer> };

export class Folder implements AsyncDisposable {
  readonly path: string;
  readonly #handle: FileHandle;

  private constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.#handle = handle;
  }

  /** Undefined if there is none. The folders above it must be root's. Throws `handover.refused` for anything but a folder. */
  static open(path: string): Promise<Folder | undefined> {
    return Folder.#open(path, path);
  }

  static async #open(at: string, path: string): Promise<Folder | undefined> {
    try {
      return new Folder(path, await open(at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return undefined;
      if (errnoOf(error) === "ENOTDIR" || errnoOf(error) === "ELOOP") throw refused(path, "is no folder");
      throw error;
    }
  }

  /** The same, created with its parents if missing. */
  static async make(path: string, { mode = 0o755, owner }: NewFile = {}): Promise<Folder> {
    const isNew = (await mkdir(path, { recursive: true, mode })) !== undefined;
    const folder = await Folder.open(path);
    if (!folder) throw refused(path, "is gone again");
    if (isNew && owner) await folder.#handle.chown(owner.uid, owner.gid);
    return folder;
  }

  folder(name: string): Promise<Folder | undefined> {
    return Folder.#open(this.#at(name), join(this.path, name));
  }

  /** Creates a folder in this one. */
  async makeFolder(name: string, mode: number, owner: Owner): Promise<Folder> {
    await mkdir(this.#at(name), { mode: 0o700 });
    const folder = await this.folder(name);
    if (!folder) throw refused(join(this.path, name), "is gone again");
    await folder.#handle.chmod(mode);
    await folder.#handle.chown(owner.uid, owner.gid);
    return folder;
  }

  async *entries(): AsyncGenerator<Dirent> {
    // One at a time, because their number is unbounded.
    for await (const entry of await opendir(`/proc/self/fd/${this.#handle.fd}`)) yield entry;
  }

  isThere(name: string): Promise<boolean> {
    return lstat(this.#at(name)).then(
      () => true,
      () => false,
    );
  }

  /** Size of a regular file; 0 for anything else. */
  async sizeOf(name: string): Promise<number> {
    const facts = await lstat(this.#at(name)).catch(ifGone);
    return facts?.isFile() ? facts.size : 0;
  }

  async modeOf(name: string): Promise<number | undefined> {
    const facts = await lstat(this.#at(name)).catch(ifGone);
    return facts && facts.mode & 0o777;
  }

  /** The content of file `name`; undefined if there is none. Throws `handover.refused` for all but a regular file of `maxBytes` at most. */
  async read(name: string, maxBytes: number): Promise<Buffer | undefined> {
    return (await this.readWhole(name, maxBytes))?.content;
  }

  /** The same, with the metadata of the very file that was read. */
  async readWhole(name: string, maxBytes: number): Promise<{ content: Buffer; facts: Stats } | undefined> {
    const file = await this.#openFile(name, O_RDONLY);
    if (!file) return undefined;
    try {
      const facts = await file.stat();
      if (facts.size > maxBytes) throw refused(join(this.path, name), `is longer than ${maxBytes} bytes`);
      // One byte extra, to notice a file that grows meanwhile.
      const content = await readAt(file, 0, facts.size + 1);
      if (content.length > facts.size) throw refused(join(this.path, name), "grows while it is read");
      return { content, facts };
    } finally {
      await file.close();
    }
  }

  /** Lets `use` read pieces of file `name`; undefined if there is none. Throws `handover.refused` for all but a regular file. */
  async inPieces<T>(name: string, use: (file: Pieces) => Promise<T>): Promise<T | undefined> {
    const file = await this.#openFile(name, O_RDONLY);
    if (!file) return undefined;
    try {
      const { size: sizeBytes } = await file.stat();
      return await use({ sizeBytes, read: (offset, length) => readAt(file, offset, length) });
    } finally {
      await file.close();
    }
  }

  /** Replaces `name` by `content` atomically. The new file is made in `workshop`, a folder of root's on the same file system. */
  async put(name: string, content: string | Uint8Array, how: NewFile & { workshop?: Folder } = {}): Promise<void> {
    const { mode = 0o600, owner, workshop = this } = how;
    const temporary = `${name}.${randomBytes(4).toString("hex")}.tmp`;
    const file = await open(workshop.#at(temporary), O_WRONLY | O_CREAT | O_EXCL | guarded, 0o600);
    try {
      try {
        await file.writeFile(content);
        // By descriptor, and before the file has a name that another user may change.
        await file.chmod(mode);
        if (owner) await file.chown(owner.uid, owner.gid);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(workshop.#at(temporary), this.#at(name)).catch(async (error: unknown) => {
        if (errnoOf(error) !== "EISDIR") throw error;
        // A folder is in the way.
        await this.remove(name);
        await rename(workshop.#at(temporary), this.#at(name));
      });
      await this.sync();
    } catch (cause) {
      await unlink(workshop.#at(temporary)).catch(() => {});
      if (errnoOf(cause) !== "ENOSPC" && errnoOf(cause) !== "EDQUOT") throw cause;
      const hint = "free space on this disk; the previous content is intact";
      throw new HamletError("file.full", `no space left to write ${join(this.path, name)}`, { hint, cause });
    }
  }

  /** Overwrites `name` in place, in the same sectors, and cuts off anything beyond `content`. */
  async overwrite(name: string, content: Uint8Array): Promise<void> {
    const file = await this.#openFile(name, O_RDWR);
    if (!file) throw refused(join(this.path, name), "has gone");
    try {
      await file.write(content, 0, content.length, 0);
      if ((await file.stat()).size > content.length) await file.truncate(content.length);
      await file.sync();
    } finally {
      await file.close();
    }
  }

  /** Overwrites up to `maxBytes` of a regular file that has no other name with zeros. Returns how many. */
  async blank(name: string, maxBytes: number): Promise<number> {
    const file = await this.#openFile(name, O_RDWR);
    if (!file) return 0;
    try {
      // A sparse file can claim any length.
      const length = Math.min((await file.stat()).size, maxBytes);
      const zeros = Buffer.alloc(Math.min(length, pieceBytes));
      for (let at = 0; at < length; at += zeros.length) {
        await file.write(zeros, 0, Math.min(zeros.length, length - at), at);
      }
      await file.sync();
      return length;
    } finally {
      await file.close();
    }
  }

  /**
   * Removes `name`, whatever it is; a link's target stays. Calls `before` for each file. Moves inner folders up into this one first, so
   * that it enters none by a path, and holds two open at any depth.
   */
  async remove(name: string, before: (folder: Folder, name: string) => Promise<void> = async () => {}): Promise<void> {
    const waiting = [name];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      if (!(await this.#isFolder(next))) {
        await before(this, next);
        await unlink(this.#at(next)).catch(ifGone);
        continue;
      }
      await using inner = await this.folder(next);
      for await (const entry of inner?.entries() ?? []) {
        if (await inner!.#isFolder(entry.name)) {
          const lifted = `${randomBytes(8).toString("hex")}.gone`;
          await rename(inner!.#at(entry.name), this.#at(lifted));
          waiting.push(lifted);
        } else {
          await before(inner!, entry.name);
          await unlink(inner!.#at(entry.name)).catch(ifGone);
        }
      }
      await rmdir(this.#at(next)).catch(ifGone);
    }
    await this.sync();
  }

  /** Renames `name`, within this folder or into `to`, and replaces what has the new name. */
  async rename(name: string, newName: string, to: Folder = this): Promise<void> {
    await rename(this.#at(name), to.#at(newName));
    await to.sync();
    if (to !== this) await this.sync();
  }

  facts(): Promise<Stats> {
    return this.#handle.stat();
  }
  chown({ uid, gid }: Owner): Promise<void> {
    return this.#handle.chown(uid, gid);
  }
  sync(): Promise<void> {
    return this.#handle.sync();
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.#handle.close();
  }

  async #isFolder(name: string): Promise<boolean> {
    return (await lstat(this.#at(name)).catch(ifGone))?.isDirectory() ?? false;
  }

  async #openFile(name: string, flags: number): Promise<FileHandle | undefined> {
    const path = join(this.path, name);
    let file: FileHandle;
    try {
      file = await open(this.#at(name), flags | guarded);
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return undefined;
      const what = whatIs[errnoOf(error) ?? ""];
      throw what ? refused(path, what) : error;
    }
    const facts = await file.stat();
    const wrong = !facts.isFile() ? "is no regular file" : facts.nlink > 1 ? "has a second name elsewhere" : undefined;
    if (wrong === undefined) return file;
    await file.close();
    throw refused(path, wrong);
  }

  #at(name: string): string {
    if (name === "" || name === "." || name === ".." || name.includes("/")) throw new RangeError(`no name: ${name}`);
    return `/proc/self/fd/${this.#handle.fd}/${name}`;
  }
}

const pieceBytes = 256 << 10;
const whatIs: Record<string, string> = {
  ELOOP: "is a link",
  ENXIO: "is no regular file",
  EISDIR: "is no regular file",
};

export const refused = (path: string, what: string): HamletError =>
  new HamletError("handover.refused", `${path} ${what}`, { hint: `as root on the device: rm -r ${path}` });

function ifGone(error: unknown): undefined {
  if (errnoOf(error) !== "ENOENT") throw error;
}

async function readAt(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let done = 0;
  for (let got = -1; got !== 0 && done < length; done += got) {
    got = (await file.read(buffer, done, length - done, offset + done)).bytesRead;
  }
  return buffer.subarray(0, done);
}
