// What another program says, on its way to a terminal: its lines stay lines, and hold nothing but text.
import { Transform } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import { printable } from "./printable.ts";

export function printableStream(): Transform {
  const decoder = new StringDecoder("utf8");
  const shown = (text: string) => text.split("\n").map(printable).join("\n");
  /** Half a character, which the next chunk completes. */
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
