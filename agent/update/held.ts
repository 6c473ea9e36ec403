// What has arrived of a file, or of a range of it, and whether an answer of the repository continues it.
import type { IncomingMessage } from "node:http";
import { HamletError } from "../../system/error.ts";

/** What has arrived, from one repository. */
export type Held = {
  pieces: Buffer[];
  sizeBytes: number;
  /** ETag or date of the file that the pieces are of. */
  version: string | undefined;
  /** Whether pieces come from several answers. */
  isResumed: boolean;
  /** The server has lied about ranges. */
  hasNoRanges: boolean;
};
export const nothingHeld = (): Held => ({
  ...{ pieces: [], sizeBytes: 0, version: undefined, isResumed: false, hasNoRanges: false },
});
const drop = (held: Held): void => void Object.assign(held, { ...nothingHeld(), hasNoRanges: held.hasNoRanges });

export type Wanted = {
  maxBytes: number;
  /** Whether the caller finds out by a digest if the file changed between two answers. */
  isNamedByDigest: boolean;
  /** Only these bytes of a file that has `ofBytes`, and nothing at all from a server that has no ranges. */
  range?: { offset: number; length: number; ofBytes: number };
  /** It may well not be there; an object store that lists nothing then answers 403. */
  mayLack?: boolean;
};

export const unreachable = (url: URL, why: string, cause?: unknown) =>
  new HamletError("update.unreachable", `${url.origin} ${why}`, { cause });
const noRanges = (url: URL, why: string) => new HamletError("update.noRanges", `${url.origin} ${why}`);
export const tooLong = (url: URL, maxBytes: number): HamletError =>
  new HamletError("update.badObject", `${url.href} is longer than ${maxBytes} bytes`);

/** A file that may have changed is only continued if the server can tell: it has to compare a strong ETag. */
const mayResume = ({ version, hasNoRanges }: Held, { isNamedByDigest }: Wanted): boolean =>
  !hasNoRanges && (isNamedByDigest || version?.startsWith('"') === true);

/** The bytes of the file that the next answer should bring; undefined if it is the whole file. */
export type Asked = { first: number; last: number | undefined } | undefined;

/** What to ask for. Drops what cannot be continued. */
export function askFor(held: Held, wanted: Wanted): { asked: Asked; headers: Record<string, string> } {
  const { range } = wanted;
  if (range) {
    // All of it came, and then the connection broke.
    if (held.sizeBytes >= range.length) drop(held);
    const [first, last] = [range.offset + held.sizeBytes, range.offset + range.length - 1];
    // Packs never change under their name, and a digest decides.
    return { asked: { first, last }, headers: { range: `bytes=${first}-${last}` } };
  }
  if (held.sizeBytes === 0 || !mayResume(held, wanted)) {
    drop(held);
    return { asked: undefined, headers: {} };
  }
  return {
    asked: { first: held.sizeBytes, last: undefined },
    headers: {
      range: `bytes=${held.sizeBytes}-`,
      ...(held.version !== undefined && { "if-range": held.version }),
    },
  };
}

/** Checks status and headers, and drops what the answer does not continue. */
export function takeHead(url: URL, response: IncomingMessage, held: Held, wanted: Wanted, asked: Asked): void {
  const { statusCode, headers } = response;
  const { range } = wanted;
  const isMissing = statusCode === 404 || (statusCode === 403 && wanted.mayLack === true);
  if (isMissing) throw new HamletError("update.notThere", `${url.href} does not exist`);
  if (asked && statusCode === 206) takeRange(url, headers["content-range"], held, wanted, asked);
  else if (range && statusCode === 200) throw noRanges(url, "sends files whole only");
  else if (range && statusCode === 416) {
    throw new HamletError("update.badObject", `${url.href} is shorter than ${range.ofBytes} bytes`);
  } else if (statusCode === 200) {
    // The server has no ranges, or the file has changed: this is the whole file.
    drop(held);
    const { etag, "last-modified": date } = headers;
    held.version = etag !== undefined && !etag.startsWith("W/") ? etag : date;
  } else {
    if (statusCode === 416) drop(held);
    throw unreachable(url, `answers with HTTP ${statusCode}`);
  }
  if ((headers["content-encoding"] ?? "identity") !== "identity") throw unreachable(url, "compresses what it sends");
  // No file of a repository is a web page.
  if (headers["content-type"]?.startsWith("text/html")) {
    throw unreachable(url, "answers with a web page, as the login page of a network does");
  }
  const length = Number(headers["content-length"] ?? 0);
  if (held.sizeBytes + length > wanted.maxBytes) throw tooLong(url, wanted.maxBytes);
}

function takeRange(
  url: URL,
  header: string | undefined,
  held: Held,
  { range }: Wanted,
  { first, last }: NonNullable<Asked>,
): void {
  const [, start, end, total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(header ?? "") ?? [];
  const isRight = Number(start) === first && (total === "*" || Number(end) === (last ?? Number(total) - 1));
  if (range) {
    // First of all: of a shorter file no server can send what was asked for.
    if (total !== undefined && total !== "*" && Number(total) !== range.ofBytes) {
      throw new HamletError("update.badObject", `${url.href} has ${total} bytes instead of ${range.ofBytes}`);
    }
    const isWhole = isRight && Number(end) === last;
    if (!isWhole) throw noRanges(url, "answers with another range than was asked for");
    held.isResumed = held.sizeBytes > 0;
    return;
  }
  if (!isRight) {
    Object.assign(held, { hasNoRanges: true });
    throw unreachable(url, "answers with another range than was asked for");
  }
  held.isResumed = true;
}
