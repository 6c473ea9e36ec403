// Repositories behind https.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { expect, test } from "vitest";
import { openRepositories } from "../../../agent/update/fetch.ts";
import { systemClock } from "../../../system/clock.ts";
import { run } from "../../../system/command.ts";
import { lacks } from "../../lacks.ts";

test.skipIf(lacks("openssl"))(
  "a repository behind https is asked if its certificate is trusted, and else not",
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "hamlet-https-"));
    const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
    await run([
      ...(["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "1", "-subj", "/CN=updates"] as const),
      ...["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
    ]);
    const certificate = await readFile(cert, "utf8");
    let asked = 0;
    const server = createServer({ key: await readFile(key), cert: certificate }, (_, response) => {
      asked += 1;
      response.end("{}");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    let carried = 0;
    const fetch = () =>
      openRepositories({ urls: [url], clock: systemClock, random: () => 0, pauseMs: 1 }).fetch(
        "metadata/timestamp.json",
        {
          ...{ maxBytes: 10, isNamedByDigest: false, signal: new AbortController().signal },
          accept: (bytes) => bytes.toString(),
          onCarried(bytes) {
            carried += bytes;
          },
        },
      );
    const trusted = getCACertificates();
    try {
      await expect(fetch()).rejects.toMatchObject({ code: "update.unreachable", message: /certificate/ });
      expect(asked).toBe(0);
      setDefaultCACertificates([...trusted, certificate]);
      expect(await fetch()).toBe("{}");
      expect([asked, carried > 100]).toEqual([1, true]);
    } finally {
      setDefaultCACertificates(trusted);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await rm(folder, { recursive: true });
    }
  },
);
