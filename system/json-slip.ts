// Where a text stops being JSON, and why. `JSON.parse` does not always say where, and its messages quote what may be secret.
// Pure.
import { placeOf } from "./text.ts";

type Expected = "value" | "valueOrEnd" | "name" | "nameOrEnd" | "colon" | "commaOrEnd" | "end";
/** Where the text stops being JSON, or repeats a name, and why. */
type Scan = { offset: number; why: string } | undefined;

const literal = /true\b|false\b|null\b|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![0-9a-zA-Z_.+-])/y;
const escaped = /(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const blank = /[ \t\n\r]*/y;
/** Words of other languages, which are harmless to show. Anything else may be part of a secret: only its first character is shown. */
const foreignWord = /(?:True|False|None|TRUE|FALSE|NULL|Null|undefined|NaN|Infinity|nil|yes|no|on|off)\b/y;

/** `line 3, column 1: ...`, or undefined if the text is JSON. With `isUnique` no object may repeat a name. */
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
    } else if (expected === "end") return { offset, why: `unexpected ${shown(text, offset)} after the end` };
    else if (char === '"') {
      const string = scanString(text, offset);
      if ("why" in string) return string;
      if (expected === "name" || expected === "nameOrEnd") {
        const name = JSON.parse(text.slice(offset, string.end)) as string;
        if (isUnique && inner?.names.has(name)) return { offset, why: "this name appears twice in one object" };
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
      // The line where the string begins lacks its closing quote.
      if (isLineEnd) return { offset: start, why: 'this string has no closing "' };
      return { offset, why: "a control character in a string must be escaped, as \\t for a tab" };
    }
    if (char !== "\\") continue;
    const word = matchAt(escaped, text, offset + 1);
    if (word === "") return { offset, why: "JSON has no such escape; write a backslash as \\\\" };
    offset += word.length;
  }
  return { offset: start, why: 'this string has no closing "' };
}

const endingEarly = (closes: string | undefined): string =>
  closes ? `the file ends without its closing ${closes}` : "the file ends where a value is expected";

function unexpected(text: string, offset: number, expected: Expected, inner: { closes: string } | undefined): string {
  const char = text[offset]!;
  const what = shown(text, offset);
  if (char === "/" || char === "#") return `unexpected ${what}: JSON has no comments`;
  // Single quotes, curly and low ones, and guillemets. Escaped, because a program with one such character takes twice its memory.
  if (/['\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb`]/.test(char)) return `unexpected ${what}: JSON uses " for quotes`;
  if (char === inner?.closes) return `unexpected ${what} after a trailing comma`;
  switch (expected) {
    case "colon":
      return `expected : but found ${what}`;
    case "commaOrEnd":
      return `expected , or ${inner?.closes} but found ${what}`;
    case "name":
    case "nameOrEnd":
      return `expected a name in " but found ${what}`;
    default:
      return `expected a value but found ${what}: text needs ", and yes and no are true and false`;
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
