// Text for a terminal. To a terminal letters can be orders: to move, to recolour, to answer, to show what stands behind as standing
// before. Names in an image, a drive's model and what others say on the network may hold any letter, so that all that is shown
// passes here.
// Pure.

/**
 * Control characters (Unicode Cc: C0, DEL, C1), those that turn text around or are not seen (Cf; but the two joiners, which
 * scripts and emoji need), line and paragraph separators, and halves of characters.
 */
const orders = /[\p{Cc}\p{Cs}\u2028\u2029]|(?![\u200c\u200d])\p{Cf}/gu;
const short: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** One line, each such character as JSON writes it: in JSON it stays the same value. */
export const printable = (text: string): string => text.replaceAll(orders, (order) => short[order] ?? escapesOf(order));

const escapesOf = (order: string): string =>
  Array.from({ length: order.length }, (_, at) => `\\u${order.charCodeAt(at).toString(16).padStart(4, "0")}`).join("");

/** A message as lines; those after the first are indented, so that none passes for a message of its own. */
export const printableLines = (message: string): string[] =>
  message.split(/\r?\n/).map((line, index) => `${index === 0 ? "" : "    "}${printable(line)}`);
