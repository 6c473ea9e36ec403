// Reads the outline of a zstd frame (RFC 8878 3.1.1). Node's decoder ignores whatever follows a frame, so its end has to be known.
// Pure.

export type Frame = {
  /** Length of the whole frame. */
  endBytes: number;
  /** What the decoder has to keep; a hostile frame may ask for gigabytes. */
  windowBytes: number;
  contentBytes: number | undefined;
  needsDictionary: boolean;
};

const magic = 0xfd2fb528;
const dictionaryIdBytes = [0, 1, 2, 4] as const;

/** The frame that `bytes` begin with; undefined if they begin with no frame, or with only a part of one. */
export function readFrame(bytes: Buffer): Frame | undefined {
  if (bytes.length < 6 || bytes.readUInt32LE(0) !== magic) return undefined;
  const descriptor = bytes.readUInt8(4);
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const isReserved = (descriptor & 0x08) !== 0;
  const dictionaryBytes = dictionaryIdBytes[(descriptor & 3) as 0 | 1 | 2 | 3];
  const sizeFlag = descriptor >> 6;
  const sizeBytes = sizeFlag === 0 ? (isSingleSegment ? 1 : 0) : 2 ** sizeFlag;
  const sizeAt = 5 + (isSingleSegment ? 0 : 1) + dictionaryBytes;
  if (isReserved || bytes.length < sizeAt + sizeBytes) return undefined;
  const contentBytes = readSize(bytes, sizeAt, sizeBytes);
  const blocksEnd = endOfBlocks(bytes, sizeAt + sizeBytes);
  if (blocksEnd === undefined) return undefined;
  const endBytes = blocksEnd + ((descriptor & 0x04) !== 0 ? 4 : 0);
  if (endBytes > bytes.length) return undefined;
  const windowBytes = isSingleSegment ? contentBytes! : windowOf(bytes.readUInt8(5));
  return { endBytes, windowBytes, contentBytes, needsDictionary: dictionaryBytes > 0 };
}

function readSize(bytes: Buffer, at: number, length: number): number | undefined {
  switch (length) {
    case 0:
      return undefined;
    case 1:
      return bytes.readUInt8(at);
    case 2:
      return bytes.readUInt16LE(at) + 256;
    case 4:
      return bytes.readUInt32LE(at);
    default:
      return Number(bytes.readBigUInt64LE(at));
  }
}

function windowOf(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 7);
}

/** Undefined if a block is truncated or of the reserved kind. */
function endOfBlocks(bytes: Buffer, start: number): number | undefined {
  for (let at = start; at + 3 <= bytes.length; ) {
    const header = bytes.readUIntLE(at, 3);
    const kind = (header >> 1) & 3;
    if (kind === 3) return undefined;
    // A block of kind 1 is one byte, to be repeated.
    at += 3 + (kind === 1 ? 1 : header >> 3);
    if (at > bytes.length) return undefined;
    if ((header & 1) === 1) return at;
  }
  return undefined;
}
