// Which bytes of a file a request asks for (RFC 9110 14.2): one range, or all of it. Pure.

export type Span = { first: number; length: number };

/**
 * "whole" for no range, and for what a server may ignore: several ranges, another unit, nonsense. "none": no byte of the file is in
 * the range.
 */
export function spanOf(header: string | undefined, sizeBytes: number): Span | "whole" | "none" {
  const [, from = "", to = ""] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? "") ?? [];
  if (from === "" && to === "") return "whole";
  if (from === "") {
    const length = Math.min(Number(to), sizeBytes);
    return length === 0 ? "none" : { first: sizeBytes - length, length };
  }
  const first = Number(from);
  const last = to === "" ? sizeBytes - 1 : Math.min(Number(to), sizeBytes - 1);
  if (to !== "" && Number(to) < first) return "whole";
  return first >= sizeBytes ? "none" : { first, length: last - first + 1 };
}
