// A Debian mirror, apt and this computer's tools in memory: packages appear, disappear and change, and the mirror answers
// for every program that the builder runs to find out. It records every command line.
import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { askedFor } from "../../../../image/bundle/debian/packages.ts";
import type { Argv, Run, RunOptions } from "../../../../system/command.ts";
import { HamletError } from "../../../../system/error.ts";

export const sha256 = (content: string): string => createHash("sha256").update(content).digest("hex");
const failed = (what: string) => new HamletError("command.failed", what);

export class FakeMirror {
  isUp = true;
  date = "Sat, 11 Jul 2026 10:16:37 UTC";
  tools: Record<string, string> = {
    "apt-get --version": "apt 2.6.1 (amd64)",
    "/sbin/veritysetup --version": "veritysetup 2.6.1 flags: UDEV",
    "/sbin/fatlabel --version": "fatlabel 4.2 (2021-01-31)",
    "/sbin/mke2fs -V": "mke2fs 1.47.0 (5-Feb-2023)",
    "fsck.erofs -V": "fsck.erofs 1.5",
    "/sbin/depmod --version": "kmod version 30",
    "mmdebstrap --version": "mmdebstrap 1.3.5",
    "mcopy --version": "mcopy (GNU mtools) 4.0.32",
    "xz --version": "xz (XZ Utils) 5.4.1",
  };
  commands: Argv[] = [];
  /** The files in the mirror's pool by path; the index names the newest version of each package. */
  readonly pool = new Map<string, string>();
  readonly index = new Map<string, { version: string; path: string; content: string }>();

  constructor() {
    const { installed, unpacked } = askedFor("amd64");
    for (const name of [...installed, ...unpacked, "libc6", "linux-image-6.1.0-1-amd64"]) this.publish(name, "1.0");
  }

  publish(name: string, version: string, content = `${name} ${version}`): void {
    const path = `pool/main/${name[0]}/${name}/${name}_${version}_amd64.deb`;
    this.pool.set(path, content);
    this.index.set(name, { version, path, content });
  }

  /** Publishes a newer version and drops the old one. */
  supersede(name: string, version: string): void {
    this.pool.delete(this.index.get(name)!.path);
    this.publish(name, version);
    this.date = "Sun, 12 Jul 2026 10:00:00 UTC";
  }

  readonly run: Run = async (argv, options = {}) => {
    this.commands.push(argv);
    const [program, ...words] = argv;
    const tool = this.tools[argv.join(" ")];
    if (tool !== undefined) return tell(tool, options);
    if (program.endsWith("/bin/node")) return "v24.21.0\n";
    if (program.endsWith("apt-helper")) return this.download(words.slice(words.indexOf("download-file") + 1));
    if (program === "apt-get" && words.includes("update")) return this.isUp ? "" : Promise.reject(failed("no route"));
    if (program === "apt-get" && words.includes("--simulate")) return this.simulate();
    if (program === "apt-cache")
      return words
        .slice(words.indexOf("show") + 1)
        .map((name) => this.stanza(name))
        .join("\n");
    throw failed(`${argv.join(" ")} is not known here`);
  };

  private async download(words: string[]): Promise<string> {
    let failures = 0;
    const step = words.length === 2 ? 2 : 3;
    for (let at = 0; at < words.length; at += step) {
      const [address = "", path = "", digest] = words.slice(at, at + step);
      const content = this.isUp ? this.answer(address) : undefined;
      if (content === undefined || (digest && digest !== `SHA256:${sha256(content)}`)) failures += 1;
      else await writeFile(path, content);
    }
    if (failures > 0) throw failed("apt-helper exited with 100");
    return "";
  }

  private answer(address: string): string | undefined {
    if (!address.startsWith("http://own.example/debian/")) return undefined;
    const path = address.slice("http://own.example/debian/".length);
    const suite = /^dists\/(.*)\/InRelease$/.exec(path)?.[1];
    if (suite === undefined) return this.pool.get(path);
    const digest = sha256(JSON.stringify([...this.index]));
    return `Origin: Debian\nCodename: ${suite}\nDate: ${this.date}\nSHA256:\n ${digest} 1 main/binary-amd64/Packages\n`;
  }

  private simulate(): string {
    const { installed } = askedFor("amd64");
    return ["libc6", ...installed]
      .map((name) => `Inst ${name} (${this.index.get(name)!.version} Debian [amd64])\n`)
      .join("");
  }

  private stanza(word: string): string {
    const [name = ""] = word.split("=");
    const { version, path, content } = this.index.get(name)!;
    const depends = name === "linux-image-amd64" ? "Depends: linux-image-6.1.0-1-amd64 (= 1.0)\n" : "";
    return `Package: ${name}\nVersion: ${version}\nArchitecture: amd64\n${depends}Filename: ${path}\nSize: ${content.length}\nSHA256: ${sha256(content)}\n`;
  }
}

function tell(text: string, { onStderrLine }: RunOptions): string {
  if (!text.startsWith("mke2fs")) return `${text}\n`;
  onStderrLine?.(text);
  return "";
}
