// Signs a file with an SSH key, as OpenSSH itself does: the publisher has such a key, and everybody who checks has `ssh-keygen`. The
// neighborhood's root signs members and nothing else, so it is not asked.
import { readFile } from "node:fs/promises";
import type { Run } from "../../system/command.ts";
import { describeError, HamletError } from "../../system/error.ts";

/** OpenSSH's own word for signatures of files; a signature of one namespace is none in another. */
const signatureNamespace = "file";

/** Writes `<path>.sig`. `keyPath`: a private key, or a public one whose private half is in the agent. Throws `publish.signFailed`. */
export async function signFile(path: string, keyPath: string, run: Run): Promise<void> {
  // It asks for a passphrase on the terminal, for as long as a person takes.
  const argv = ["ssh-keygen", "-q", "-Y", "sign", "-n", signatureNamespace, "-f", keyPath, path] as const;
  const refuse = (cause: unknown) => {
    throw new HamletError("publish.signFailed", `nothing was signed with ${keyPath}: ${describeError(cause)}`, {
      hint: "make a key with ssh-keygen -t ed25519, readable by you alone; what was published before is intact",
      cause,
    });
  };
  await run(argv, { timeoutMs: 300_000 }).catch(refuse);
  const signature = await readFile(`${path}.sig`, "utf8").catch(refuse);
  if (!signature?.startsWith("-----BEGIN SSH SIGNATURE-----")) refuse(new Error("ssh-keygen left no signature"));
}
