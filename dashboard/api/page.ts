// The built page, and the policy under which a browser may run it.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

// A bundle carries the page as this constant; named in one place, since each one becomes the whole page.
declare const HAMLET_PAGE: string;

/** The page in the bundle that runs; undefined in a run from source. */
export function bundledPage(): string | undefined {
  try {
    return HAMLET_PAGE;
  } catch {
    return undefined;
  }
}

const fallback = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Hamlet</title><link rel="icon" href="data:,">
<p>The page is not built yet: run <code>npm run build</code>, then start again. <a href="/v1/status">The status as JSON</a> is here.</p>`;

/** The page in the bundle; from source the file that `npm run build` leaves, or a word on how to make it. */
export function loadPage(): string {
  const bundled = bundledPage();
  if (bundled !== undefined) return bundled;
  try {
    return readFileSync(new URL("../../dist/page.html", import.meta.url), "utf8");
  } catch {
    return fallback;
  }
}

/** Only the scripts and styles that stand in `html` may run, by their hashes; only this server may be asked. */
export function policyOf(html: string): string {
  const hashes = (tag: string): string => {
    const bodies = [...html.matchAll(new RegExp(`<${tag}[^>]*>([\\s\\S]*?)</${tag}>`, "g"))].map((match) => match[1]!);
    const sums = bodies.map((body) => `'sha256-${createHash("sha256").update(body).digest("base64")}'`);
    return sums.join(" ") || "'none'";
  };
  return [
    "default-src 'none'",
    `script-src ${hashes("script")}`,
    `style-src ${hashes("style")}`,
    "img-src data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}
