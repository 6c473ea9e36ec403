// Files of /proc and /sys, which are there or not by kernel, driver and moment: what is not there is empty.
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
