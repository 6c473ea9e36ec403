// The built page and its content security policy.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

// A built program holds the page in this constant. Name it only once: the build replaces each mention by the whole page.
declare const HAMLET_PAGE: string;

/** The page inside this program; undefined when it runs from source. */
export function bundledPage(): string | undefined {
  try {
    return HAMLET_PAGE;
  } catch {
    return undefined;
  }
}

const fallback = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Hamlet</title><link rel="icon" href="data:,">
<p>The page is not built yet: run <code>npm run build</code>, then start again. <a href="/v1/status">The status as JSON</a> is here.</p>`;

/** The page inside this program; from source the file that `npm run build` writes, or a page that says how to build it. */
export function loadPage(): string {
  const bundled = bundledPage();
  if (bundled !== undefined) return bundled;
  try {
    return readFileSync(new URL("../../dist/page.html", import.meta.url), "utf8");
  } catch {
    return fallback;
  }
}

/** Allows only the scripts and styles inside `html`, by their hashes, and requests only to this server. */
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
