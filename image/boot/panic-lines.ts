// The log that a panic left in the firmware's store, from the pieces in which the kernel writes it: the newest piece is part 1.
// Pure. Linux, fs/pstore and drivers/firmware/efi/efi-pstore.c.

type Piece = { name: string; text: string };

/** As many as a report carries (provisioning/handover/update.ts). */
const maxLines = 200;
const maxLineChars = 400;

/** The last lines of the newest panic among `pieces`, without their priority. */
export function panicLines(pieces: readonly Piece[]): string[] {
  const parts = pieces.flatMap(({ name, text }) => {
    const [header = "", part = ""] = /^Panic#\d+ Part(\d+)\n/.exec(text) ?? [];
    // The number in the name is (seconds * 100 + part) * 1000 + count.
    const seconds = Math.floor(Number(/(\d+)$/.exec(name)?.[1] ?? 0) / 100_000);
    return header === "" ? [] : [{ seconds, part: Number(part), text: text.slice(header.length) }];
  });
  const newest = Math.max(...parts.map(({ seconds }) => seconds));
  const text = parts
    .filter(({ seconds }) => seconds === newest)
    .sort((one, other) => other.part - one.part)
    .map((part) => part.text)
    .join("");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .slice(-maxLines)
    .map((line) => line.replace(/^<\d+>/, "").slice(0, maxLineChars));
}
