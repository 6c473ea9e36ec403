// Another program's output on its way to a terminal: lines stay lines, and control characters become visible.
import { Transform } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import { printable } from "./printable.ts";

export function printableStream(): Transform {
  const decoder = new StringDecoder("utf8");
  const shown = (text: string) => text.split("\n").map(printable).join("\n");
  /** The first half of a character; the next chunk has the other. */
  let half = "";
  const next = (text: string): string => {
    const whole = half + text;
    half = /[\ud800-\udbff]$/.exec(whole)?.[0] ?? "";
    return shown(whole.slice(0, whole.length - half.length));
  };
  return new Transform({
    transform: (chunk: Buffer, _, done) => done(null, next(decoder.write(chunk))),
    flush: (done) => done(null, shown(half + decoder.end())),
  });
}
