// Text for a terminal. Control characters can move the cursor, recolor, make the terminal type an answer, or reverse the order of
// what people read. Names in an image, a drive's model and messages from the network may contain any of them, so everything
// that is shown passes through here.
// Pure.

/**
 * Control characters (Unicode Cc: C0, DEL, C1), characters that are invisible or reverse text (Cf, except for the two joiners, which
 * scripts and emoji need), line and paragraph separators, and lone surrogates.
 */
const controls = /[\p{Cc}\p{Cs}\u2028\u2029]|(?![\u200c\u200d])\p{Cf}/gu;
const short: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** One line with each such character escaped as in JSON, so that JSON keeps its value. */
export const printable = (text: string): string => text.replaceAll(controls, (char) => short[char] ?? escapesOf(char));

const escapesOf = (char: string): string =>
  Array.from({ length: char.length }, (_, at) => `\\u${char.charCodeAt(at).toString(16).padStart(4, "0")}`).join("");

/** A message as lines. Those after the first are indented, so that none passes for a message of its own. */
export const printableLines = (message: string): string[] =>
  message.split(/\r?\n/).map((line, index) => `${index === 0 ? "" : "    "}${printable(line)}`);
