// A drive for flashing: complete reads and writes or an error, a real flush, and reads that come from the medium. Bypasses the
// page cache where the system can, so that verification sees the drive's content.
import { constants } from "node:fs";
import { type FileHandle, open, readFile } from "node:fs/promises";
import type { Run } from "../../system/command.ts";
import { errnoOf, HamletError } from "../../system/error.ts";

/** Offsets and lengths are multiples of `blockBytes`, memory is from `alignedBuffer`. */
export type BlockDevice = {
  readonly path: string;
  readonly sizeBytes: number;
  /** Fills `into` from `offset`. Throws `flash.deviceFailed`. */
  read(into: Buffer, offset: number): Promise<void>;
  write(bytes: Buffer, offset: number): Promise<void>;
  /** When this resolves, all writes are on the medium, if the drive does not lie. */
  flush(): Promise<void>;
  /** Later reads come from the drive, not from a cache. */
  dropCache(): Promise<void>;
  close(): Promise<void>;
};

/** The methods of a file handle that a drive needs. */
export type RawHandle = Pick<FileHandle, "read" | "write" | "sync" | "close">;

/**
 * Opens a drive exclusively: the kernel refuses while any of it is mounted, used as swap or part of an array.
 * Throws `flash.inUse`, `flash.readOnly` or the system's error.
 */
export async function openBlockDevice(path: string, run: Run): Promise<BlockDevice> {
  const { handle, isDirect } = await openRaw(path);
  try {
    return new Drive(handle, path, await sizeOf(handle), isDirect ? undefined : run);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function openRaw(path: string): Promise<{ handle: FileHandle; isDirect: boolean }> {
  const { O_RDWR, O_EXCL, O_DIRECT = 0 } = constants;
  try {
    return { handle: await open(path, O_RDWR | O_EXCL | O_DIRECT), isDirect: O_DIRECT !== 0 };
  } catch (error) {
    // Drives have direct I/O, some file systems do not.
    if (errnoOf(error) !== "EINVAL") throw explained(error, path);
  }
  return {
    handle: await open(path, O_RDWR | O_EXCL).catch((error: unknown) => {
      throw explained(error, path);
    }),
    isDirect: false,
  };
}

function explained(cause: unknown, path: string): unknown {
  switch (errnoOf(cause)) {
    case "EBUSY":
      return new HamletError("flash.inUse", `${path} is in use`, {
        hint: "unmount its file systems, and look again with `hamlet flash --list`",
        exitCode: 3,
        cause,
      });
    case "EROFS":
      return new HamletError("flash.readOnly", `${path} is write-protected`, {
        hint: "check the small switch at the side of an SD card",
        exitCode: 3,
        cause,
      });
    case "ENXIO":
    case "ENOMEDIUM":
      return new HamletError("flash.empty", `${path} has no card in it`, { exitCode: 3, cause });
    default:
      return cause;
  }
}

async function sizeOf(handle: FileHandle): Promise<number> {
  const facts = await handle.stat();
  if (!facts.isBlockDevice()) return facts.size;
  // A drive reports no file size. makedev(3): major and minor are interleaved.
  const [major, minor] = [(facts.rdev >> 8) & 0xfff, (facts.rdev & 0xff) | ((facts.rdev >> 12) & 0xfff00)];
  // The kernel counts in sectors of 512 bytes, whatever the drive uses.
  return Number(await readFile(`/sys/dev/block/${major}:${minor}/size`, "utf8")) * 512;
}

export class Drive implements BlockDevice {
  readonly path: string;
  readonly sizeBytes: number;
  readonly #handle: RawHandle;
  readonly #run: Run | undefined;

  /** `run` if the page cache is in use: blockdev can flush it. */
  constructor(handle: RawHandle, path: string, sizeBytes: number, run?: Run) {
    this.#handle = handle;
    this.path = path;
    this.sizeBytes = sizeBytes;
    this.#run = run;
  }

  async read(into: Buffer, offset: number): Promise<void> {
    await this.#all("read", into, offset);
  }

  async write(bytes: Buffer, offset: number): Promise<void> {
    await this.#all("write", bytes, offset);
  }

  async flush(): Promise<void> {
    await this.#handle.sync().catch((cause: unknown) => this.#fail("flush", undefined, cause));
  }

  async dropCache(): Promise<void> {
    // A plain file, as in tests, has no such operation.
    await this.#run?.(["/sbin/blockdev", "--flushbufs", this.path]).catch(() => {});
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  /** One call may transfer only a part. */
  async #all(what: "read" | "write", bytes: Buffer, offset: number): Promise<void> {
    if (offset + bytes.length > this.sizeBytes) this.#fail(what, this.sizeBytes, undefined);
    for (let done = 0; done < bytes.length; ) {
      const [left, at] = [bytes.length - done, offset + done];
      const moving =
        what === "read"
          ? this.#handle.read(bytes, done, left, at).then(({ bytesRead }) => bytesRead)
          : this.#handle.write(bytes, done, left, at).then(({ bytesWritten }) => bytesWritten);
      const moved = await moving.catch((cause: unknown) => this.#fail(what, at, cause));
      if (moved === 0) this.#fail(what, at, undefined);
      done += moved;
    }
  }

  #fail(what: "read" | "write" | "flush", offset: number | undefined, cause: unknown): never {
    const errno = errnoOf(cause);
    const where = offset === undefined ? "" : ` at byte ${offset}`;
    const why =
      errno === "ENXIO" || errno === "ENODEV" || errno === "ENOMEDIUM"
        ? "it was pulled out or its reader gave up"
        : errno === "ENOSPC" || cause === undefined
          ? "it ends there"
          : `the drive says ${errno ?? String(cause)}`;
    throw new HamletError("flash.deviceFailed", `${this.path}: ${what}${where} failed: ${why}`, {
      hint: "try another reader or port, then another card",
      cause,
    });
  }
}
