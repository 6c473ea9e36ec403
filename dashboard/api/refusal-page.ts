// A refusal as a page for a browser; programs get JSON. It runs no script and loads nothing.
// Pure.
import type { HamletError } from "../../system/error.ts";

/** Whether a browser asks, on behalf of a person. */
export const wantsHtml = (accept: string | undefined): boolean => /\btext\/html\b/i.test(accept ?? "");

/** Turns the URLs in the hint into links. */
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
