// A refusal as a browser shows it, where programs get JSON. It runs and loads nothing.
// Pure.
import type { HamletError } from "../../system/error.ts";

/** Whether whoever asks is a person in front of a browser. */
export const wantsHtml = (accept: string | undefined): boolean => /\btext\/html\b/i.test(accept ?? "");

/** Addresses in the hint become links. */
export function refusalPage({ message, hint }: Pick<HamletError, "message" | "hint">): string {
  const links = escaped(hint ?? "").replaceAll(/http:\/\/[^\s<]+/g, '<a href="$&">$&</a>');
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Hamlet</title><h1>Hamlet</h1>
<p>${sentence(escaped(message))}</p>${hint ? `\n<p>${sentence(links)}</p>` : ""}
`;
}

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
