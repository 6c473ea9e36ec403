// A shelf in memory.
import type { Shelf } from "../../../agent/swarm/shelf.ts";

export function memoryShelf(): Shelf & { pieces: Map<string, Buffer> } {
  const pieces = new Map<string, Buffer>();
  const proven = new Set<string>();
  return {
    pieces,
    has: (key) => pieces.has(key),
    async get(key) {
      const bytes = pieces.get(key);
      return bytes && Buffer.from(bytes);
    },
    async put(key, bytes) {
      pieces.set(key, Buffer.from(bytes));
    },
    prove: (key) => void proven.add(key),
    isProven: (key) => proven.has(key),
    async remove(key) {
      proven.delete(key);
      pieces.delete(key);
    },
    async tidy() {},
  };
}
