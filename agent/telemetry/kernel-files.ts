// Reads /proc and /sys. Which files exist depends on kernel, driver and moment: a missing file reads as empty.
import { readdirSync, readFileSync } from "node:fs";

export function readOr(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

export function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
