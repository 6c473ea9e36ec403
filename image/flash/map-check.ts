// Checks an image against its map as its pieces pass, and throws at the first range that differs.
// Pure.
import { createHash, hash } from "node:crypto";
import { HamletError } from "../../system/error.ts";
import type { MappedRange } from "../disk/bmap.ts";
import type { Piece } from "./pieces.ts";

export const damaged = (name: string, from: number): HamletError =>
  new HamletError("image.damaged", `${name} differs from its map at byte ${from}`, {
    hint: "it was damaged or changed after its map was made: fetch both again, or delete the map",
  });

const isRange = ({ offset, bytes }: Piece, range: MappedRange): boolean =>
  offset === range.offset && bytes.length === range.length;

export class MapCheck {
  readonly #ranges: readonly MappedRange[];
  readonly #name: string;
  #at = 0;
  #sum = createHash("sha256");

  constructor(ranges: readonly MappedRange[], name: string) {
    this.#ranges = ranges;
    this.#name = name;
  }

  /** Returns the hash of the piece if it is a whole range, so that none is computed twice. */
  saw(piece: Piece): string | undefined {
    const range = this.#ranges[this.#at];
    if (!range) return undefined;
    const { offset, bytes } = piece;
    const isWhole = isRange(piece, range);
    if (!isWhole) this.#sum.update(bytes);
    if (offset + bytes.length < range.offset + range.length) return undefined;
    const sha256 = isWhole ? hash("sha256", bytes, "hex") : this.#sum.digest("hex");
    if (range.sha256 !== undefined && sha256 !== range.sha256) throw damaged(this.#name, range.offset);
    this.#at++;
    this.#sum = createHash("sha256");
    return isWhole ? sha256 : undefined;
  }

  /** Like `saw`, but trusts the map's hash: for a caller who compares it with the written data. */
  trust(piece: Piece): string | undefined {
    const range = this.#ranges[this.#at];
    if (range?.sha256 === undefined || !isRange(piece, range)) return this.saw(piece);
    this.#at++;
    return range.sha256;
  }

  end(): void {
    if (this.#at < this.#ranges.length)
      throw new HamletError("image.truncated", `${this.#name} ends before its map does`);
  }
}
