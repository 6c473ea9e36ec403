// Unpacks zstd and xz, and passes other data through. Both formats have checksums, so damage ends in an error.
import { once } from "node:events";
import { Readable } from "node:stream";
import { constants, createZstdDecompress } from "node:zlib";
import { describeError, errnoOf, HamletError } from "../../system/error.ts";
import { startProgram } from "../../system/program.ts";
import { packingOf } from "../disk/packed.ts";

/** What can be unpacked here. */
export function compressionOf(start: Buffer): "zstd" | "xz" | undefined {
  const by = packingOf(start);
  return by === "zstd" || by === "xz" ? by : undefined;
}

/** The default limit of `zstd -d`; a frame may ask for 2 GiB. */
const maxWindowLog = 27;
/** Each frame needs a new decompressor, and may be empty; no real file has so many small ones. */
const smallFrameBytes = 4096;
const maxSmallFrames = 1000;
/** `xz -9` needs 65 MiB per thread; a header may ask for 4 GiB. */
const maxXzMemory = "512MiB";

/** Throws `image.damaged`, `image.truncated` or `command.missing`. */
export async function* unpack(packed: AsyncIterable<Buffer>, name: string): AsyncGenerator<Buffer> {
  const chunks = packed[Symbol.asyncIterator]();
  const kept: Buffer[] = [];
  for (let length = 0; length < 8; ) {
    const { value, done } = await chunks.next();
    if (done) break;
    kept.push(value);
    length += value.length;
  }
  const start = Buffer.concat(kept);
  const whole = rejoin(start, chunks);
  switch (compressionOf(start)) {
    case "zstd":
      return yield* unzstd(whole, name);
    case "xz":
      return yield* unxz(whole, name);
    case undefined:
      return yield* whole;
  }
}

async function* rejoin(start: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  if (start.length > 0) yield start;
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
}

/** A file may have several frames (`cat a.zst b.zst`); Node's decompressor ends after one. */
async function* unzstd(packed: AsyncIterable<Buffer>, name: string): AsyncGenerator<Buffer> {
  const chunks = packed[Symbol.asyncIterator]();
  /** Bytes read from `packed`, possibly ahead of the decompressor. */
  let ahead: Buffer[] = [];
  let smallFrames = 0;
  for (;;) {
    const engine = createZstdDecompress({
      chunkSize: 1 << 20,
      params: { [constants.ZSTD_d_windowLogMax]: maxWindowLog },
    });
    // It may reject the bytes after a complete frame; those get a decompressor of their own.
    engine.on("error", () => {});
    let takenBytes = 0;
    let givenBytes = 0;
    const again = ahead;
    ahead = [];
    // No `for await`: `chunks` outlives the frame.
    const feed = async function* () {
      for (;;) {
        const chunk = again.shift() ?? ((await chunks.next()).value as Buffer | undefined);
        if (chunk === undefined) return;
        while (ahead[0] && takenBytes + ahead[0].length <= engine.bytesWritten) takenBytes += ahead.shift()!.length;
        ahead.push(chunk);
        yield chunk;
      }
    };
    const input = Readable.from(feed(), { objectMode: false });
    // Pass an error of the input on to the reader of the output.
    input.on("error", (error) => engine.destroy(error));
    try {
      for await (const part of input.pipe(engine)) {
        givenBytes += (part as Buffer).length;
        yield part as Buffer;
      }
    } catch (cause) {
      throw broken(name, cause instanceof Error && /unexpected end/.test(cause.message), cause);
    } finally {
      input.destroy();
    }
    if (givenBytes < smallFrameBytes && ++smallFrames > maxSmallFrames)
      throw broken(name, false, new Error(`more than ${maxSmallFrames} frames of less than ${smallFrameBytes} bytes`));
    if (!input.closed) await once(input, "close");
    const rest = Buffer.concat([...ahead, ...again]).subarray(engine.bytesWritten - takenBytes);
    ahead = rest.length > 0 ? [rest] : [];
    if (rest.length > 0) continue;
    const { value, done } = await chunks.next();
    if (done) return;
    ahead = [value];
  }
}

async function* unxz(packed: AsyncIterable<Buffer>, name: string): AsyncGenerator<Buffer> {
  const xz = startProgram(["xz", "--decompress", "--stdout", "--threads=0", `--memlimit-decompress=${maxXzMemory}`], {
    stdin: "pipe",
    stdout: "pipe",
    // Its messages distinguish a truncated file from a damaged one.
    env: { ...process.env, LC_ALL: "C" },
  });
  const input = Readable.from(packed, { objectMode: false });
  input.on("error", () => xz.kill());
  input.pipe(xz.stdin);
  try {
    for await (const chunk of xz.stdout) yield chunk as Buffer;
    const { code } = await xz.end;
    const told = xz.lastWords();
    if (code !== 0) throw broken(name, /end of input/i.test(told), new Error(told));
  } finally {
    xz.kill();
    input.destroy();
  }
}

function broken(name: string, isCutOff: boolean, cause: unknown): HamletError {
  if (cause instanceof HamletError) return cause;
  if (/too much memory|windowTooLarge|[Mm]emory usage limit/.test(`${errnoOf(cause)} ${describeError(cause)}`)) {
    return new HamletError("image.damaged", `${name} needs more memory to unpack than an image may`, {
      hint: "if you trust it, unpack it yourself (zstd -d --long=31, xz -d) and flash the .img",
      cause,
    });
  }
  return isCutOff
    ? new HamletError("image.truncated", `${name} is incomplete`, {
        hint: "the copy or download is incomplete: download the image again",
        cause,
      })
    : new HamletError("image.damaged", `${name} cannot be unpacked`, {
        hint: "it is damaged: download the image again",
        cause,
      });
}
