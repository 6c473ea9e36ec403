// Where a text stops being JSON, and what stands there: `JSON.parse` tells neither for every slip, and quotes what may be secret.
// Pure.
import { placeOf } from "./text.ts";

type Expected = "value" | "valueOrEnd" | "name" | "nameOrEnd" | "colon" | "commaOrEnd" | "end";
/** How far the text is JSON, why no further, and names that stand twice in one object. */
type Scan = { offset: number; why: string } | undefined;

const literal = /true\b|false\b|null\b|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![0-9a-zA-Z_.+-])/y;
const escaped = /(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const blank = /[ \t\n\r]*/y;
/** Words of other languages, harmless to show; anything else may be a piece of a secret and is shown by its first character. */
const foreignWord = /(?:True|False|None|TRUE|FALSE|NULL|Null|undefined|NaN|Infinity|nil|yes|no|on|off)\b/y;

/** `line 3, column 1: ...`, or undefined for what is JSON. With `isUnique` no object may have one name twice. */
export function findJsonSlip(text: string, { isUnique = false } = {}): string | undefined {
  const slip = scan(text, isUnique);
  return slip && `${placeOf(text, slip.offset)}: ${slip.why}`;
}

function scan(text: string, isUnique: boolean): Scan {
  const open: { closes: "}" | "]"; names: Set<string> }[] = [];
  let expected: Expected = "value";
  let offset = 0;
  for (;;) {
    offset += matchAt(blank, text, offset).length;
    const char = text[offset];
    const inner = open.at(-1);
    if (char === undefined) return expected === "end" ? undefined : { offset, why: endingEarly(inner?.closes) };
    if (inner && char === inner.closes && /End$/.test(expected)) {
      open.pop();
      expected = open.length > 0 ? "commaOrEnd" : "end";
      offset += 1;
    } else if (expected === "colon" || expected === "commaOrEnd") {
      if (char !== (expected === "colon" ? ":" : ","))
        return { offset, why: unexpected(text, offset, expected, inner) };
      expected = expected === "colon" ? "value" : inner?.closes === "}" ? "name" : "value";
      offset += 1;
    } else if (expected === "end") return { offset, why: `${shown(text, offset)} stands after the end` };
    else if (char === '"') {
      const string = scanString(text, offset);
      if ("why" in string) return string;
      if (expected === "name" || expected === "nameOrEnd") {
        const name = JSON.parse(text.slice(offset, string.end)) as string;
        if (isUnique && inner?.names.has(name)) return { offset, why: "this name stands there a second time" };
        inner?.names.add(name);
        expected = "colon";
      } else expected = open.length > 0 ? "commaOrEnd" : "end";
      offset = string.end;
    } else if (expected === "name" || expected === "nameOrEnd")
      return { offset, why: unexpected(text, offset, expected, inner) };
    else if (char === "{" || char === "[") {
      open.push({ closes: char === "{" ? "}" : "]", names: new Set() });
      expected = char === "{" ? "nameOrEnd" : "valueOrEnd";
      offset += 1;
    } else {
      const word = matchAt(literal, text, offset);
      if (word === "") return { offset, why: unexpected(text, offset, expected, inner) };
      expected = open.length > 0 ? "commaOrEnd" : "end";
      offset += word.length;
    }
  }
}

/** From the quote at `start`. */
function scanString(text: string, start: number): { end: number } | { offset: number; why: string } {
  for (let offset = start + 1; offset < text.length; offset += 1) {
    const char = text[offset]!;
    if (char === '"') return { end: offset + 1 };
    if (char < " ") {
      const isLineEnd = char === "\n" || char === "\r";
      // The quote that is missing belongs to the line where the string began.
      if (isLineEnd) return { offset: start, why: 'the string that begins here has no " at its end' };
      return { offset, why: "a tab or another control character in a string is written with a backslash, as \\t" };
    }
    if (char !== "\\") continue;
    const word = matchAt(escaped, text, offset + 1);
    if (word === "")
      return { offset, why: "this backslash begins nothing that JSON knows; a backslash itself is \\\\" };
    offset += word.length;
  }
  return { offset: start, why: 'the string that begins here has no " at its end' };
}

const endingEarly = (closes: string | undefined): string =>
  closes ? `the file ends before its ${closes}` : "the file ends before its value";

function unexpected(text: string, offset: number, expected: Expected, inner: { closes: string } | undefined): string {
  const char = text[offset]!;
  const what = shown(text, offset);
  if (char === "/" || char === "#") return `${what} stands there; JSON has no comments`;
  if (/['‘’“”„«»`]/.test(char)) return `${what} stands there; JSON's quotes are "`;
  if (char === inner?.closes) return `${what} stands there after a comma that is one too many`;
  switch (expected) {
    case "colon":
      return `${what} stands there, where : belongs`;
    case "commaOrEnd":
      return `${what} stands there, where , or ${inner?.closes} belongs`;
    case "name":
    case "nameOrEnd":
      return `${what} stands there, where a name in " belongs`;
    default:
      return `${what} stands there, which is no value of JSON; text stands in ", yes and no are true and false`;
  }
}

function shown(text: string, offset: number): string {
  const word = matchAt(foreignWord, text, offset) || String.fromCodePoint(text.codePointAt(offset)!);
  return /\p{C}|\p{Z}/u.test(word)
    ? `the character U+${word.codePointAt(0)!.toString(16).padStart(4, "0").toUpperCase()}`
    : `'${word}'`;
}

function matchAt(pattern: RegExp, text: string, offset: number): string {
  pattern.lastIndex = offset;
  return pattern.exec(text)?.[0] ?? "";
}
