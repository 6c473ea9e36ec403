// Damages a valid input in a few places.
import type { Random } from "./random.ts";

/** A part of the input with numbers that a reader relies on. */
export type Spot = readonly [from: number, length: number];

const bytes = [0, 1, 0x7f, 0x80, 0xfe, 0xff];
/** Numbers at which counts, sizes and offsets go wrong: sign changes, powers of two, values beyond a double's precision. */
const numbers = [0n, 1n, 2n, 3n, 11n, 12n, 511n, 512n, 4095n, 4096n, 65_535n, 65_536n, 1n << 20n];
const large = [(1n << 31n) - 1n, 1n << 31n, (1n << 32n) - 1n, 1n << 53n, (1n << 63n) - 1n, 1n << 63n, (1n << 64n) - 1n];
/** Text that parsers are known to misread. */
const words = [
  ...["__proto__", "constructor", "null", "-1", "1e309", "9007199254740993", "253402300800", "\\u0000", "\x1b[2J"],
  ...[
    "\u202e",
    "\ufeff",
    "\n",
    "\0",
    '"',
    "'",
    "\\",
    "{",
    "}",
    "[",
    "]",
    "<",
    ">",
    "&a ",
    "*a ",
    "- ",
    "? ",
    ": ",
    ",",
    "%",
  ],
  ...["[".repeat(300), "{".repeat(300), '{"a":'.repeat(200), "- ".repeat(100), "x".repeat(5000), "9".repeat(400)],
];

/** Changes bytes without moving them: for disks, whose numbers are positions. */
export function mutateDisk(sample: Buffer, random: Random, spots: readonly Spot[]): Buffer {
  const input = Buffer.from(sample);
  for (let left = 1 + random.below(6); left > 0; left--) {
    const [from, length] = random.of(spots);
    const at = Math.min(from + random.below(length), input.length - 8);
    switch (random.below(5)) {
      case 0:
        input[at] = random.below(256);
        break;
      case 1:
        input.fill(random.of(bytes), at, at + random.of([1, 2, 4, 8]));
        break;
      case 2:
        putNumber(input, at - (at % 2), random);
        break;
      case 3:
        input[at]! ^= 1 << random.below(8);
        break;
      default:
        input.copyWithin(at, from + random.below(length), from + random.below(length));
    }
  }
  return random.below(40) === 0 ? input.subarray(0, random.below(input.length)) : input;
}

function putNumber(input: Buffer, at: number, random: Random): void {
  const value = random.below(3) === 0 ? random.of(large) : random.of(numbers);
  const width = random.of([2, 4, 8]);
  const scratch = Buffer.alloc(8);
  if (random.below(4) === 0) {
    scratch.writeBigUInt64BE(value);
    scratch.copy(input, at, 8 - width);
  } else {
    scratch.writeBigUInt64LE(value);
    scratch.copy(input, at, 0, width);
  }
}

/** Inserts, removes and repeats parts: for text and streams. */
export function mutateText(sample: Buffer, random: Random): Buffer {
  let input = sample;
  for (let left = 1 + random.below(5); left > 0; left--) {
    const at = random.below(input.length + 1);
    const end = Math.min(input.length, at + random.of([1, 2, 8, 100, 1000]));
    const [before, part, after] = [input.subarray(0, at), input.subarray(at, end), input.subarray(end)];
    switch (random.below(6)) {
      case 0:
        input = Buffer.concat([before, Buffer.from([random.below(256)]), input.subarray(at + 1)]);
        break;
      case 1:
        input = Buffer.concat([before, Buffer.from(random.of(words)), after]);
        break;
      case 2:
        input = Buffer.concat([before, Buffer.from(random.of(words)), input.subarray(at)]);
        break;
      case 3:
        input = Buffer.concat([before, after]);
        break;
      case 4:
        input = Buffer.concat([before, ...Array<Buffer>(random.of([2, 10, 200])).fill(part), after]);
        break;
      default:
        // Replace some numbers.
        input = Buffer.from(
          input.toString("latin1").replace(/\d+/g, (digits) => otherNumber(digits, random)),
          "latin1",
        );
    }
  }
  return input;
}

const otherNumber = (digits: string, random: Random): string =>
  random.below(20) === 0 ? String(random.of([...numbers, ...large])) : digits;
