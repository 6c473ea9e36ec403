// The device's time zone as its card said: root keeps it beside the hostname, and the agent reads it when it starts.
import { readSmallFile } from "../../system/small-file.ts";

export const timeZoneText = (zone: string): string => `${zone}\n`;

/** Undefined if the card said none. Throws the system's error. */
export async function readTimeZone(path: string): Promise<string | undefined> {
  const text = (await readSmallFile(path, 256))?.toString("utf8").trim();
  return text === "" ? undefined : text;
}
