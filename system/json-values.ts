// How many values a JSON text has at most, counted before it is parsed: a schema that finds fault with each of them takes a hundred
// times the memory of the text, and some of our programs have a small heap.
// Pure.

const comma = 0x2c;

export function hasMoreValues(text: Buffer, most: number): boolean {
  let count = 1;
  for (let at = text.indexOf(comma); at !== -1 && count <= most; at = text.indexOf(comma, at + 1)) count++;
  return count > most;
}
