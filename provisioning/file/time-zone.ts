// The time zone of a device, by its IANA name: night is by it. Node brings the zones, so that an image needs no files of them.
// Pure.
import { z } from "zod";
import { nearest } from "../../system/nearest.ts";

/** No zone has a longer name, and root writes it into a line of a file. */
const pattern = /^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+){0,2}$/;
const maxChars = 64;

/** One that was checked before: another version of Node may know others. */
export const ZoneName = z.string().max(maxChars).regex(pattern, "is not the name of a time zone");

export const TimeZone = z.string().superRefine((text, context) => {
  const trouble = zoneTrouble(text);
  if (trouble !== undefined) context.addIssue({ code: "custom", message: trouble });
});

/** Why this is no time zone, with the one that was probably meant; undefined if it is one. */
export function zoneTrouble(text: string): string | undefined {
  if (text.length <= maxChars && pattern.test(text) && isKnown(text)) return undefined;
  return `is not a time zone; did you mean ${zoneLike(text.slice(0, maxChars))}?`;
}

function isKnown(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: zone }) !== undefined;
  } catch {
    return false;
  }
}

/** People know the city, and less often what stands before it. */
function zoneLike(text: string): string {
  const zones = Intl.supportedValuesOf("timeZone");
  const city = nearest(placeOf(text), zones.map(placeOf));
  return zones.find((zone) => placeOf(zone) === city) ?? "UTC";
}

const placeOf = (zone: string): string => zone.split("/").at(-1)!.trim().replaceAll(" ", "_");
